import { expect, it } from 'vitest';
import { runExample } from '../../../tools/example.ts';
import { printedBy } from './printed.ts';

it.each(['grpc-server', 'http-app', 'pino-logger'])('%s runs by itself, prints what its README says, and ends', async (folder) => {
  const { code, output } = await runExample(`guests/${folder}`);
  expect(code, output).toBe(0);
  const lines = output.trimEnd().split('\n');
  expect(lines.map((line) => (line.startsWith('{') ? JSON.parse(line).msg : line))).toEqual(printedBy(folder));
});
