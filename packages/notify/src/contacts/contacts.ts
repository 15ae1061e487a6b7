import { type Clock, systemClock } from '@paystream/core';

/** Somebody to be told. */
export interface Contact {
  /** How the templates address them. */
  readonly name?: string | undefined;
  /** Where each channel reaches them, by the channel's name: `{ email: 'shop@example.org', sms: '+491701234567' }`. A channel without an address is left out. */
  readonly addresses: Readonly<Record<string, string | undefined>>;
}

/** Finds the contacts of many events at once. Made by {@link contactsBy}. */
export interface ContactLookup<T> {
  /** One contact, or `undefined` for nobody, for each event, in their order. Throwing `UNAVAILABLE` makes the notifier wait and ask again. */
  findAll(events: readonly T[]): Promise<readonly (Contact | undefined)[]>;
}

/** How a rule finds who is to be told: a function for one event, or a lookup for many. */
export type ContactSource<T> = ((event: T) => Promise<Contact | undefined> | Contact | undefined) | ContactLookup<T>;

/** Options of {@link contactsBy}. */
export interface ContactsByOptions<T> {
  /** What a contact is found by: `(update) => update.merchantId`. */
  readonly key: (event: T) => string;
  /** Loads the contacts of several different keys; those without one are left out. */
  readonly load: (keys: readonly string[]) => Promise<ReadonlyMap<string, Contact>>;
  /** How long a contact, or that there is none, is remembered, in milliseconds. Default: 60,000. */
  readonly cacheMs?: number;
  /** At most so many are remembered. Default: 10,000. */
  readonly maxCached?: number;
  /** Default: {@link systemClock}. */
  readonly clock?: Clock;
}

/**
 * A lookup that loads the contacts of a batch in one call and remembers them for a while.
 *
 * @example
 * const merchants = contactsBy({ key: (update: WalletUpdate) => update.merchantId, load: (ids) => loadMerchants(ids) });
 */
export function contactsBy<T>(options: ContactsByOptions<T>): ContactLookup<T> {
  const { key, load, cacheMs = 60_000, maxCached = 10_000, clock = systemClock } = options;
  const known = new Map<string, { readonly contact: Contact | undefined; readonly untilMs: number }>();

  const remember = (id: string, contact: Contact | undefined, untilMs: number): void => {
    known.delete(id);
    if (known.size >= maxCached) {
      const oldest = known.keys().next();
      if (oldest.done !== true) known.delete(oldest.value);
    }
    known.set(id, { contact, untilMs });
  };

  return {
    findAll: async (events) => {
      const ids = events.map(key);
      const found = new Map<string, Contact | undefined>();
      const missing: string[] = [];
      const now = clock.monotonic();
      for (const id of ids) {
        if (found.has(id)) continue;
        const cached = known.get(id);
        const fresh = cached !== undefined && cached.untilMs > now;
        found.set(id, fresh ? cached.contact : undefined);
        if (!fresh) missing.push(id);
      }
      if (missing.length > 0) {
        const loaded = await load(missing);
        for (const id of missing) {
          const contact = loaded.get(id);
          found.set(id, contact);
          remember(id, contact, now + cacheMs);
        }
      }
      return ids.map((id) => found.get(id));
    },
  };
}

/** Finds the contacts of a batch, whichever way the rule does. */
export async function findContacts<T>(source: ContactSource<T>, events: readonly T[]): Promise<readonly (Contact | undefined)[]> {
  return typeof source === 'function' ? Promise.all(events.map(source)) : source.findAll(events);
}
