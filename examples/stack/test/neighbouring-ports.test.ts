import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { neighbouringPorts } from './neighbouring-ports.ts';

const range = (first: number, count: number): readonly number[] => Array.from({ length: count }, (_, at) => first + at);

it('gives two that ask at once ports of their own, though neither listens on them yet', async () => {
  const [one, other] = [await neighbouringPorts(40), await neighbouringPorts(2)];
  const more = await Promise.all([neighbouringPorts(40), neighbouringPorts(40)]);
  const ports = [one, ...more].flatMap((first) => range(first, 40)).concat(range(other, 2));
  expect(new Set(ports).size).toBe(ports.length);
});

it('gives ports that one can listen on', async () => {
  for (const port of range(await neighbouringPorts(5), 5)) {
    const server = createServer();
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
    await new Promise((resolve) => server.close(resolve));
  }
});

it('gives no more neighbours than others leave alone', async () => {
  await expect(neighbouringPorts(64)).rejects.toThrow('63 at most');
});
