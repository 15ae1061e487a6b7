// Stands between a broker and who started it: when the starter is gone, however it went, the broker goes too.
// Arguments: a JSON text with `command`, `args`, for a container `kill`, the command that ends it, and `leftovers`, a folder
// that nobody deletes when the starter is gone.
import { spawn, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';

interface Supervised {
  readonly command: string;
  readonly args: readonly string[];
  readonly kill?: readonly string[];
  readonly leftovers?: string;
}

const { command, args, kill, leftovers } = JSON.parse(process.argv[2] ?? '') as Supervised;
const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });

function end(signal: 'SIGTERM' | 'SIGKILL'): void {
  if (signal === 'SIGKILL' && kill !== undefined) spawnSync(kill[0] ?? '', kill.slice(1));
  child.kill(signal);
}

process.on('message', (signal: 'SIGTERM' | 'SIGKILL') => end(signal));
process.on('disconnect', () => {
  if (leftovers !== undefined) child.once('exit', () => rmSync(leftovers, { recursive: true, force: true, maxRetries: 5 }));
  end('SIGKILL');
});
process.on('SIGTERM', () => end('SIGTERM'));
process.on('SIGINT', () => end('SIGTERM'));
child.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
// A turn later: whoever else looks at the end has had theirs.
child.on('exit', (code) => setImmediate(() => process.exit(code ?? 128)));
