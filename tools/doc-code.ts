// The TypeScript in our Markdown files: found, type-checked and run, so that what we show works. CONTRIBUTING.md says how to write it.
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './workspace.ts';

/** One fenced block of TypeScript: a program of its own. */
export interface CodeBlock {
  /** The Markdown file, from the repository's folder. */
  readonly document: string;
  /** The line of its first line of code, from 1. */
  readonly line: number;
  readonly code: string;
  /** Whether it may be run here. False where the fence says `no-run`, for example because it needs a server. */
  readonly runs: boolean;
  /** The lines it must print: what stands behind each `// →`. Empty if it does not say. */
  readonly prints: readonly string[];
}

/** The blocks of one document whose language is `ts`. */
export function findCodeBlocks(document: string, markdown: string): readonly CodeBlock[] {
  const blocks: CodeBlock[] = [];
  const lines = markdown.split(/\r?\n/);
  for (let at = 0; at < lines.length; at++) {
    const fence = /^(`{3,})(\w*)\s*(.*)$/.exec(lines[at] ?? '');
    if (fence === null) continue;
    const [, ticks = '', language = '', flags = ''] = fence;
    const start = at + 1;
    do at += 1;
    while (at < lines.length && (lines[at] ?? '').trimEnd() !== ticks);
    if (language !== 'ts') continue;
    if (flags !== '' && flags !== 'no-run')
      throw new Error(`${document}:${start}: a ts fence may say "no-run" and nothing else, not "${flags}"`);
    const code = lines.slice(start, at);
    const prints = code.flatMap((line) => /\/\/ → ?(.*)$/.exec(line)?.[1] ?? []);
    blocks.push({ document, line: start + 1, code: code.join('\n'), runs: flags !== 'no-run', prints });
  }
  return blocks;
}

/** The blocks of the READMEs and of the guides. */
export function allCodeBlocks(): readonly CodeBlock[] {
  const documents = globSync(['README.md', 'CONTRIBUTING.md', 'packages/*/README.md', 'examples/*/README.md', 'docs/*.md'], { cwd: root });
  return documents
    .map((document) => document.replaceAll('\\', '/'))
    .sort()
    .flatMap((document) => findCodeBlocks(document, readFileSync(join(root, document), 'utf8')));
}

/**
 * Writes each block as a program into a folder of the repository, from where the packages are found by name.
 * Gives the paths in the same order.
 */
export function writePrograms(blocks: readonly CodeBlock[], folder: string): readonly string[] {
  const target = join(root, '.doc-code', folder);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  return blocks.map((block) => {
    const file = join(target, `${block.document.replaceAll('/', '-').replace(/\.md$/, '').toLowerCase()}-${block.line}.ts`);
    writeFileSync(file, `${block.code}\nexport {};\n`);
    return file;
  });
}

/** What the compiler says against each program, as `line: message`; an empty list for one that it takes. */
export function checkPrograms(files: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const parsed = ts.parseJsonConfigFileContent(ts.readConfigFile(join(root, 'tsconfig.check.json'), ts.sys.readFile).config, ts.sys, root);
  const { tsBuildInfoFile: _, ...options } = parsed.options;
  const program = ts.createProgram({
    rootNames: [...files, join(root, 'types', 'web.d.ts')],
    options: { ...options, incremental: false, noPropertyAccessFromIndexSignature: false },
  });
  return new Map(
    files.map((file) => {
      const source = program.getSourceFile(file);
      const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
      return [
        file,
        found.map((diagnostic) => {
          const line = source === undefined ? 0 : source.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line + 1;
          return `${line}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ')}`;
        }),
      ];
    }),
  );
}
