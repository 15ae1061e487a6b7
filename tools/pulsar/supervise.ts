// Stands between a broker and who started it: when the starter is gone, however it went, the broker goes too.
// Arguments: a JSON text with `command`, `args` and, for a container, `kill`, the command that ends it.
import { spawn, spawnSync } from 'node:child_process';

interface Supervised {
  readonly command: string;
  readonly args: readonly string[];
  readonly kill?: readonly string[];
}

const { command, args, kill } = JSON.parse(process.argv[2] ?? '') as Supervised;
const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });

function end(signal: 'SIGTERM' | 'SIGKILL'): void {
  if (signal === 'SIGKILL' && kill !== undefined) spawnSync(kill[0] ?? '', kill.slice(1));
  child.kill(signal);
}

process.on('message', (signal: 'SIGTERM' | 'SIGKILL') => end(signal));
process.on('disconnect', () => end('SIGKILL'));
process.on('SIGTERM', () => end('SIGTERM'));
process.on('SIGINT', () => end('SIGTERM'));
child.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
child.on('exit', (code) => process.exit(code ?? 128));
