// Fails if a contract changed so that existing clients or stored messages no longer fit.
//
// Compared with the newest release; before the first one with the last commit, where an intended break shows until it is
// committed.
import { lastRelease, runOrFail } from './workspace.ts';

const tag = await lastRelease();
const against = tag === undefined ? '.git#ref=HEAD' : `.git#tag=${tag}`;
await runOrFail('buf', ['breaking', '--against', against]);
console.log(`compatible with ${against}`);
