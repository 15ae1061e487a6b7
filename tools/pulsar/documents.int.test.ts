import { beforeAll, expect, inject, it } from 'vitest';
import { allCodeBlocks, writePrograms } from '../doc-code.ts';
import { run } from '../workspace.ts';

// Those that do not end by themselves, or need what is not here, are type-checked only.
const runnable = allCodeBlocks().filter(
  ({ document, code }) => document.includes('pulsar') && code.includes('pulsar://localhost:6650') && !/run\.done|newTransaction/.test(code),
);

let files: readonly string[];
beforeAll(async () => {
  const answer = await fetch(`${inject('pulsarBrokers')}/default/start`);
  const { serviceUrl } = (await answer.json()) as { serviceUrl: string };
  const here = runnable.map((block) => ({ ...block, code: block.code.replaceAll('pulsar://localhost:6650', serviceUrl) }));
  files = writePrograms(here, 'with-broker');
});

// At the same time: they wait more than they work, and each begins with a start of Node.
it.concurrent.each(runnable)('a reader who pastes $document:$line has a program that runs against a broker', async (block) => {
  const file = files[runnable.indexOf(block)] ?? '';
  const { code, output } = await run(process.execPath, ['--conditions=paystream-source', file], { timeoutMs: 60_000 });
  expect(code, output).toBe(0);
});
