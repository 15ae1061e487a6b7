import { describe, expect, it } from 'vitest';
import type { BrokerSubscription, SubscribeOptions } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { silentLogger } from '../logger/port.ts';
import { settleTurns } from '../testing/settle.ts';
import { createVirtualClock, type VirtualClock } from '../testing/virtual-clock.ts';
import { createHeldSubscription, type SubscriptionLink } from './subscription.ts';

/** A client's consumer. */
interface Link extends SubscriptionLink<string> {
  readonly ends: AbortController;
  readonly closed: boolean;
  bring(...texts: string[]): void;
}

interface Stage {
  readonly clock: VirtualClock;
  readonly links: readonly Link[];
  readonly told: readonly (string | undefined)[];
  /** How often the broker was told that it is closed. */
  readonly closes: () => number;
  /** Whether links are connected. */
  connected: boolean;
  subscribe(options?: Partial<SubscribeOptions>): Promise<BrokerSubscription>;
}

const refused = (): PaystreamError => new PaystreamError('PERMISSION_DENIED', 'no grant', { reason: 'PULSAR_NOT_AUTHORIZED' });

/** `onJoin` sees each link before it is handed over. */
function stage(onJoin: (link: Link, number: number) => void = () => undefined): Stage {
  const clock = createVirtualClock();
  const links: Link[] = [];
  const told: (string | undefined)[] = [];
  let closes = 0;
  const join = async (): Promise<Link> => {
    const ends = new AbortController();
    const queue: string[] = [];
    let closed = false;
    let arrived = Promise.withResolvers<void>();
    const link: Link = {
      ends,
      over: ends.signal,
      get closed() {
        return closed;
      },
      bring: (...texts) => {
        queue.push(...texts);
        arrived.resolve();
        arrived = Promise.withResolvers();
      },
      connected: () => on.connected,
      describe: (id) => ({ id, key: undefined, redeliveries: 0 }),
      contentOf: (text) => ({ payload: Buffer.from(text), key: undefined, properties: {}, eventTimeMs: undefined, publishTimeMs: 0 }),
      fetch: async () => {
        if (queue.length === 0) await arrived.promise;
        return queue.splice(0);
      },
      acknowledge: async () => undefined,
      seek: async () => undefined,
      backlog: async () => 0,
      unsubscribe: async () => undefined,
      close: async () => {
        closed = true;
        arrived.resolve();
      },
    };
    links.push(link);
    onJoin(link, links.length);
    return link;
  };
  const context = {
    clock,
    logger: silentLogger,
    fullName: (topic: string) => topic,
    deadLettersOf: () => Promise.reject(new Error('no dead letters here')),
    closed: () => {
      closes += 1;
    },
  };
  const on: Stage = {
    ...{ clock, links, told, connected: true, closes: () => closes },
    subscribe: (options = {}) =>
      createHeldSubscription<string>(
        context,
        { topic: 't', subscription: 's', onOutage: (error) => void told.push(error?.reason), ...options },
        join,
        (error) => PaystreamError.from(error),
      ),
  };
  return on;
}

const isOpen = (link: Link): boolean => !link.closed;

describe('a consumer that is refused while it joins', () => {
  it('is joined once more when it may, gets messages, and leaves no other behind that takes them', async () => {
    const { clock, links, told, subscribe } = stage((link, number) => {
      if (number === 1) link.ends.abort(refused());
    });
    const subscription = await subscribe();
    expect(told).toEqual(['PULSAR_NOT_AUTHORIZED']);
    await expect(subscription.backlog()).rejects.toMatchObject({ reason: 'PULSAR_NOT_AUTHORIZED' });
    await clock.advance({ seconds: 1 });
    expect([links.map(isOpen), told]).toEqual([
      [false, true],
      ['PULSAR_NOT_AUTHORIZED', undefined],
    ]);
    links[1]?.bring('m1');
    const [first] = await subscription.receive(1);
    expect(Buffer.from(first?.payload ?? []).toString()).toBe('m1');
    await subscription.close();
    await clock.advance({ minutes: 10 });
    expect([links.map(isOpen), clock.pendingTimers]).toEqual([[false, false], 0]);
  });

  it('is not ready again before a consumer has been taken that stays', async () => {
    const { clock, links, told, subscribe } = stage((link, number) => {
      if (number === 2) link.ends.abort(refused());
    });
    const subscription = await subscribe();
    links[0]?.ends.abort(refused());
    await clock.advance(150);
    expect([links.length, told]).toEqual([2, ['PULSAR_NOT_AUTHORIZED']]);
    await clock.advance({ seconds: 1 });
    expect([links.map(isOpen), told]).toEqual([
      [false, false, true],
      ['PULSAR_NOT_AUTHORIZED', undefined],
    ]);
    await subscription.close();
    await clock.advance({ minutes: 10 });
    expect([links.map(isOpen), clock.pendingTimers]).toEqual([[false, false, false], 0]);
  });

  it('is closed when its client is', async () => {
    const { clock, links, closes, subscribe } = stage((link) =>
      link.ends.abort(new PaystreamError('CANCELED', 'closed', { reason: 'BROKER_CLOSED' })),
    );
    const subscription = await subscribe();
    await expect(subscription.receive(1)).rejects.toMatchObject({ code: 'CANCELED', reason: 'CONSUMER_CLOSED' });
    await subscription.close();
    await clock.advance({ minutes: 10 });
    expect([links.map(isOpen), closes(), clock.pendingTimers]).toEqual([[false], 1, 0]);
  });

  it('that is closed while it is being joined again is not joined', async () => {
    let late: PromiseWithResolvers<void> | undefined;
    const { clock, links, told, subscribe } = stage((link, number) => {
      if (number === 2) late?.resolve();
      else link.ends.abort(refused());
    });
    const subscription = await subscribe();
    late = Promise.withResolvers();
    const closing = late.promise.then(() => subscription.close());
    await clock.advance({ seconds: 1 });
    await closing;
    await settleTurns(2);
    expect([links.map(isOpen), told]).toEqual([[false, false], ['PULSAR_NOT_AUTHORIZED']]);
  });
});

describe('a consumer that is closed by who is told of its outage', () => {
  it.each([
    [
      'it cannot be reached',
      (on: Stage) => {
        on.connected = false;
      },
    ],
    ['it is refused', ({ links }: Stage) => links[0]?.ends.abort(refused())],
  ])('since %s, does nothing more', async (_, fail) => {
    const on = stage();
    const { clock, links } = on;
    const outages: (string | undefined)[] = [];
    let closing: Promise<void> | undefined;
    const subscription = await on.subscribe({
      onOutage: (error) => {
        outages.push(error?.reason);
        closing = subscription.close();
      },
    });
    fail(on);
    await clock.advance({ seconds: 10 });
    await closing;
    on.connected = true;
    await clock.advance({ minutes: 10 });
    expect([outages.length, links.map(isOpen), clock.pendingTimers]).toEqual([1, [false], 0]);
  });
});
