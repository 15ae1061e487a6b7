// What hosted workflows run cannot be tried here; that it is there can.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import config from '../vitest.config.ts';
import { root } from './workspace.ts';

interface Step {
  readonly command: string;
  /** Where it runs, from the root. */
  readonly directory: string;
}

/** The steps of a workflow that run a command of one line. */
function stepsOf(text: string): readonly Step[] {
  return text.split(/^ {6}- /m).flatMap((step) => {
    const command = /^run: (.+)$/m.exec(step)?.[1];
    return command === undefined ? [] : [{ command, directory: /^ +working-directory: (.+)$/m.exec(step)?.[1] ?? '.' }];
  });
}

const projects = (config.test?.projects ?? []).map((project) => (project as { test: { name: string } }).test.name);

/** Whether the words of a command name what there is. */
function isThere({ command, directory }: Step): boolean {
  const [program, verb, ...rest] = command.split(' ');
  if (command === 'npm ci') return true;
  if (program === 'npm' && verb === 'run') {
    const { scripts } = JSON.parse(readFileSync(join(root, directory, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
    return rest[0] !== undefined && rest[0] in scripts;
  }
  const [run, flag, project = '', ...paths] = rest;
  if (program !== 'npx' || verb !== 'vitest' || run !== 'run' || flag !== '--project') return false;
  return projects.includes(project) && paths.every((path) => existsSync(join(root, path)));
}

describe.each(globSync('.github/workflows/*.yml', { cwd: root }))('%s', (file) => {
  const text = readFileSync(join(root, file), 'utf8');
  const steps = stepsOf(text);

  it('has steps, each of one line', () => {
    expect(steps.length).toBe(text.match(/^ {6}- run:|^ {8}run:/gm)?.length);
    expect(steps.length).toBeGreaterThan(0);
  });

  it.each(steps)('can run $command in $directory', (step) => {
    expect(isThere(step)).toBe(true);
  });

  it('sets no variable that nothing reads', () => {
    const sources = globSync('{packages/*/src,tools,bench,examples}/**/*.ts', { cwd: root, exclude: ['**/node_modules/**'] });
    const read = sources.map((source) => readFileSync(join(root, source), 'utf8')).join('\n');
    for (const [, name] of text.matchAll(/^ +(PAYSTREAM_[A-Z_]+):/gm)) expect(read).toContain(`process.env['${name}']`);
  });
});
