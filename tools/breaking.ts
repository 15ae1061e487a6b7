// Fails if a contract changed so that existing clients or stored messages no longer fit.
//
// Compared with the newest release; before the first one with the last commit, where an intended break shows until it is
// committed.
import { run, runOrFail } from './workspace.ts';

const tag = await run('git', ['describe', '--tags', '--abbrev=0', '--match', '@paystream/core@*']);
const against = tag.code === 0 ? `.git#tag=${tag.stdout.trim()}` : '.git#ref=HEAD';
await runOrFail('buf', ['breaking', '--against', against]);
console.log(`compatible with ${against}`);
