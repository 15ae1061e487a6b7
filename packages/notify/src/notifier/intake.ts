import type { Clock, Delivery } from '@paystream/core';
import type { Database } from '@paystream/core/sql';
import type { DeliveryStore, NewDelivery } from './delivery-store.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Ownership } from './ownership.ts';
import { createDeliveryIds } from './pending-delivery.ts';
import { type AnyRule, deliveriesOf, type WantedDelivery } from './rules.ts';
import type { Storing } from './storing.ts';

/** Options of {@link createIntake}. */
export interface IntakeOptions {
  readonly database: Database;
  readonly store: DeliveryStore;
  readonly ownership: Pick<Ownership, 'owner'>;
  readonly dispatchers: ReadonlyMap<string, Dispatcher>;
  readonly storing: Storing;
  readonly clock: Clock;
}

/** Turns a batch of events into stored deliveries; resolves when they are safe. */
export type Intake = (rules: readonly AnyRule[], batch: readonly Delivery<never>[]) => Promise<void>;

/**
 * Makes the intake. What the dispatchers have room for they take on from memory as soon as it has committed; the rest
 * waits in the table, so that a slow channel costs neither memory nor anybody's time.
 */
export function createIntake(options: IntakeOptions): Intake {
  const { database, store, ownership, dispatchers, storing, clock } = options;
  const ids = createDeliveryIds();

  const withOwners = (wanted: readonly WantedDelivery[]): NewDelivery[] => {
    const room = new Map<string, number>();
    return wanted.map(({ channel, delivery }) => {
      const left = room.get(channel) ?? dispatchers.get(channel)?.room ?? 0;
      room.set(channel, left - 1);
      return { channel, delivery, mine: left > 0 };
    });
  };

  const handOut = (deliveries: readonly NewDelivery[], fresh: readonly boolean[], owner: string): void => {
    for (const [name, dispatcher] of dispatchers) {
      const own = deliveries.filter(({ channel, mine }, index) => channel === name && mine && fresh[index] === true);
      if (own.length > 0 && owner === ownership.owner) dispatcher.offer(own.map(({ delivery }) => delivery));
      if (deliveries.some(({ channel, mine }) => channel === name && !mine)) dispatcher.lookInTable();
    }
  };

  return async (rules, batch) => {
    const wanted: WantedDelivery[] = [];
    for (const rule of rules) wanted.push(...(await deliveriesOf(rule, batch, ids, clock.now())));
    if (wanted.length === 0) return;
    const deliveries = withOwners(wanted);
    const { owner } = ownership;
    const deliveryIds = deliveries.map(({ delivery }) => delivery.message.deliveryId);
    // If the commit stays without an answer, the rows may carry this instance's name: the dispatchers find them.
    await storing.during(deliveryIds, async () => {
      const fresh = await database.transaction((tx) => store.insert(tx, deliveries, owner, clock.now()));
      handOut(deliveries, fresh, owner);
    });
  };
}
