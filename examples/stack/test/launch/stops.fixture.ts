// A service that is ready at once, and that ends when it is asked to unless `STUBBORN` is set.
process.on('SIGTERM', () => {
  if (process.env['STUBBORN'] === undefined) process.exit();
});
// Nothing else keeps it running.
setInterval(() => undefined, 60_000);
process.stdout.write('Paystream is ready\n');
