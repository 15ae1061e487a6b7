import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Finished, root, run } from './workspace.ts';

const nightly = (...args: readonly string[]): Promise<Finished> => run(process.execPath, [join(root, 'tools', 'nightly.ts'), ...args]);

describe('a night that cannot be as it was asked for', () => {
  it.each([
    [['--only', 'nothing'], '--only nothing: there are pulsar, kills, old-rows'],
    [['--only', 'old-rows', '--rows', '1e6'], '--rows 1e6: must be a whole number'],
    [['--only', 'old-rows', '--rows', '1000000000000'], '--rows 1000000000000: takes some 10000000 GB'],
    [['--only', 'kills', '--kills', 'many'], '--kills many: must be a whole number'],
  ])('is refused before anything runs: %j', async (args, message) => {
    const { code, output } = await nightly(...args);
    expect(code).toBe(1);
    expect(output).toContain(message);
    expect(output).toContain('Usage: npm run nightly');
  });
});
