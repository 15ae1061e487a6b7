import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allCodeBlocks, type CodeBlock, checkPrograms, findCodeBlocks, writePrograms } from './doc-code.ts';
import { packageDirectories, run } from './workspace.ts';

async function runProgram(file: string): Promise<{ readonly code: number; readonly output: string; readonly stdout: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'paystream-doc-'));
  try {
    return await run(process.execPath, ['--conditions=paystream-source', file], { cwd: folder, timeoutMs: 30_000 });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const blocks = allCodeBlocks();
const files = writePrograms(blocks, 'documents');
const complaints = checkPrograms(files);

describe('a reader who pastes our documentation gets what it says', () => {
  it.each(packageDirectories().map((directory) => basename(directory)))('the README of %s shows the package in code', (name) => {
    expect(blocks.map((block) => block.document)).toContain(`packages/${name}/README.md`);
  });

  describe.each(blocks.map((block, index) => ({ ...block, file: files[index]! })))('$document:$line', (block) => {
    it('compiles', () => {
      expect(complaints.get(block.file)).toEqual([]);
    });

    if (!block.runs) return;
    it('runs, and prints what it says', { timeout: 60_000 }, async () => {
      const { code, output, stdout } = await runProgram(block.file);
      expect(code, output).toBe(0);
      if (block.prints.length > 0) expect(stdout.trimEnd().split('\n')).toEqual(block.prints);
    });
  });
});

describe('the check of the documentation is not fooled', () => {
  const markdown = [
    'Text.',
    '```ts',
    'const n: number = 1;',
    'console.log(n + 1); // → 2',
    '```',
    '```json',
    '{}',
    '```',
    '```ts no-run',
    "const wrong: number = 'x';",
    '```',
  ].join('\n');
  const found = findCodeBlocks('example.md', markdown);

  it('it finds the blocks, what they print and which may run', () => {
    expect(found).toEqual([
      { document: 'example.md', line: 3, code: 'const n: number = 1;\nconsole.log(n + 1); // → 2', runs: true, prints: ['2'] },
      { document: 'example.md', line: 10, code: "const wrong: number = 'x';", runs: false, prints: [] },
    ] satisfies CodeBlock[]);
    expect(() => findCodeBlocks('example.md', '```ts norun\n```')).toThrow('example.md:1');
  });

  it('it refuses what does not compile, and runs what does', async () => {
    const [right, wrong] = writePrograms(found, 'example');
    const result = checkPrograms([right!, wrong!]);
    expect(result.get(right!)).toEqual([]);
    expect(result.get(wrong!)).toEqual(["1: Type 'string' is not assignable to type 'number'."]);
    expect(await runProgram(right!)).toMatchObject({ code: 0, stdout: '2\n' });
  });
});
