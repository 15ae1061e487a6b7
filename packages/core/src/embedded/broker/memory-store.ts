import type { Entry } from './entry.ts';
import type { EntryStore } from './store.ts';

/** Copies the payloads of an entry into one piece of memory: a caller may reuse its own as soon as the send has settled. */
function ownPayloads(entry: Entry): void {
  let total = 0;
  for (const message of entry.messages) total += message.payload.length;
  const memory = new Uint8Array(total);
  let offset = 0;
  for (const message of entry.messages) {
    memory.set(message.payload, offset);
    const end = offset + message.payload.length;
    message.payload = memory.subarray(offset, end);
    offset = end;
  }
}

/** Keeps nothing itself: the topic logs hold every entry in memory, without a limit of their own. */
export function createMemoryStore(): EntryStore {
  return {
    durable: false,
    load: () => ({ topics: [], cursors: [] }),
    commit: (changes) => {
      for (const { entry } of changes.entries) ownPayloads(entry);
    },
    synced: () => undefined,
    read: () => [],
    oldest: () => [],
    firstSince: () => undefined,
    trim: () => undefined,
    probe: () => undefined,
    close: () => undefined,
  };
}
