import { type Consumer, createConsumer, money, type Telemetry, type TraceContext } from '@paystream/core';
import { paystreamTopics } from '@paystream/core/contracts';
import { createTestWorld, type MemoryTelemetry, type TestWorld } from '@paystream/core/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSimulatedGateway, type SimulatedGateway, simulatedMethods } from '../simulated/index.ts';
import type { PaymentProcessor } from './port.ts';
import { createPaymentProcessor } from './processor.ts';
import { type Counterpart, createCounterpart } from './test-support.ts';

const callers = '0af7651916cd43dd8448eb211c80319c';
const traceparent = `00-${callers}-b7ad6b7169203331-01`;

let world: TestWorld;
let other: Counterpart;
let listener: Consumer;
let gateway: SimulatedGateway;
let processor: PaymentProcessor;
/** The traces of what was published on `transactions`. */
let published: (string | undefined)[];

async function start(telemetry: Telemetry = world.telemetry): Promise<void> {
  const { clock, random, broker, database } = world;
  processor = await createPaymentProcessor({ database, broker, gateway, clock, random, telemetry });
}

async function stop(): Promise<void> {
  const closed = processor.close();
  await world.advance({ seconds: 30 });
  await closed;
}

beforeEach(async () => {
  world = await createTestWorld();
  other = await createCounterpart(world.broker, world.clock);
  gateway = await createSimulatedGateway(world);
  published = [];
  listener = await createConsumer(world.broker, paystreamTopics().transactions, {
    subscription: 'traces',
    clock: world.clock,
    handler: async (_, { delivery }) => void published.push(traceOf(delivery)),
  });
});
afterEach(async () => {
  await stop();
  await listener.close();
  await other.close();
  await gateway.close();
  await world[Symbol.asyncDispose]();
});

const traceOf = (context: TraceContext | undefined): string | undefined => context?.traceparent?.split('-')[1];
const named = ({ spans }: MemoryTelemetry, name: string) => spans.filter((span) => span.name === name);
/** The traces that the first span of a trace is linked with. */
const linkedWith = ({ spans }: MemoryTelemetry, trace: string | undefined): readonly (string | undefined)[] => {
  const root = spans.find((span) => traceOf(span) === trace && span.parent === undefined);
  return root?.links.map(traceOf) ?? [];
};
/** The traces of the log entries of an order, by what they tell of. */
const logged = (orderId: string): readonly (readonly [event: string, traceId: string])[] =>
  other.logs.filter((entry) => entry.orderId === orderId).map(({ event, traceId }) => [event, traceId]);

describe('who follows an order by its trace', () => {
  it('comes from it to an attempt that is made later, and from there to what was decided', async () => {
    await start();
    await other.place({ orderId: 'o1', method: simulatedMethods.declineThenApprove, traceparent });
    await world.advance({ seconds: 40 });
    expect(other.outcomes('o1')).toEqual(['settled']);
    const [first, second] = named(world.telemetry, 'charge simulated');
    const later = traceOf(second);
    expect(traceOf(first)).toBe(callers);
    expect(later).not.toBe(callers);
    expect(linkedWith(world.telemetry, later)).toEqual([callers]);
    expect(published).toEqual([later]);
    expect(logged('o1')).toEqual([
      ['payment.attempt.started', callers],
      ['payment.attempt.declined', callers],
      ['payment.attempt.started', later],
      ['payment.settled', later],
    ]);
    const resumed = named(world.telemetry, 'resume payment').filter((span) => traceOf(span) === later);
    expect(resumed).toMatchObject([{ kind: 'internal', ended: true, error: undefined, attributes: { 'paystream.order_id': 'o1' } }]);
    expect([first, second].map((span) => span?.attributes['paystream.order_id'])).toEqual(['o1', 'o1']);
  });

  it('comes to a look-up that another process makes, after the one that charged has gone', async () => {
    await start();
    gateway.configure({ down: true });
    await other.place({ orderId: 'o1', traceparent });
    await world.advance({ seconds: 12 });
    await stop();
    gateway.configure({ down: false });
    await start();
    await world.advance({ minutes: 2 });
    expect(other.decisions).toHaveLength(1);
    const lookups = named(world.telemetry, 'lookup simulated');
    expect(lookups.length).toBeGreaterThan(0);
    for (const lookup of lookups) {
      if (traceOf(lookup) !== callers) expect(linkedWith(world.telemetry, traceOf(lookup))).toEqual([callers]);
    }
    const [decided] = published;
    expect(decided).toBeDefined();
    expect(decided).not.toBe(callers);
    expect(linkedWith(world.telemetry, decided)).toEqual([callers]);
  });

  it('comes to an order’s expiry, and to the charge that is given back because it turned up after that', async () => {
    gateway = await createSimulatedGateway({ ...world, abilities: { visibilityDelayMs: 1_000 } });
    const { charge, lookup } = gateway;
    const hideUntilMs = world.clock.now() + 200_000;
    gateway.lookup = async (key, signal) => (world.clock.now() < hideUntilMs ? 'not-found' : lookup(key, signal));
    let calls = 0;
    gateway.charge = async (request) => {
      calls += 1;
      if (calls === 1) return charge(request);
      throw new Error('503');
    };
    await start();
    await other.place({ orderId: 'o1', method: simulatedMethods.timeoutAfterCharge, traceparent });
    await world.advance({ seconds: 150 });
    await world.advance({ minutes: 70 });
    expect(other.outcomes('o1')).toEqual(['expired', 'lateChargeReversed']);
    const [reversal] = named(world.telemetry, 'reverse simulated');
    expect(published[1]).toBe(traceOf(reversal));
    expect(new Set(published).size).toBe(2);
    for (const trace of published) expect(linkedWith(world.telemetry, trace)).toEqual([callers]);
  });

  it('comes to a refund that is sent again', async () => {
    await start();
    await other.place({ orderId: 'o1', traceparent });
    await world.advance({ seconds: 1 });
    const { refund } = gateway;
    gateway.refund = () => Promise.reject(new Error('502'));
    const caller = world.telemetry.startSpan('support console');
    await caller.run(() => processor.refund({ orderId: 'o1', requestId: 'r1', amount: money('EUR', 300n) }));
    caller.end();
    gateway.refund = refund;
    await world.advance({ seconds: 3 });
    const [first, second] = named(world.telemetry, 'refund simulated');
    expect(traceOf(first)).toBe(traceOf(caller));
    expect(linkedWith(world.telemetry, traceOf(second))).toEqual([traceOf(caller)]);
    expect(published.at(-1)).toBe(traceOf(second));
    expect(logged('o1').slice(-4)).toEqual([
      ['payment.refund.started', traceOf(caller)],
      ['payment.refund.unknown', traceOf(caller)],
      ['payment.refund.started', traceOf(second)],
      ['payment.refunded', traceOf(second)],
    ]);
    expect(named(world.telemetry, 'resume refund')).toMatchObject([{ ended: true, attributes: { 'paystream.order_id': 'o1' } }]);
  });

  it('who cancels finds the cancellation in the trace of that call, not in the order’s', async () => {
    const cancel = 'f'.repeat(32);
    await start();
    await other.place({ orderId: 'o1', method: simulatedMethods.declineThenApprove, traceparent });
    await world.advance({ seconds: 5 });
    await other.cancel('o1', 'm1', `00-${cancel}-b7ad6b7169203331-01`);
    await world.clock.settle();
    expect(other.outcomes('o1')).toEqual(['canceled']);
    expect(published).toEqual([cancel]);
    expect(logged('o1').at(-1)).toEqual(['payment.canceled', cancel]);
  });

  it('reads one trace in log entries and events where payment itself keeps no spans', async () => {
    await start({ ...world.telemetry, tracing: false });
    await other.place({ orderId: 'o1', method: simulatedMethods.declineThenApprove, traceparent });
    await world.advance({ seconds: 40 });
    expect(published).toEqual([callers]);
    expect(new Set(logged('o1').map(([, traceId]) => traceId))).toEqual(new Set([callers]));
  });

  it('an order with a trace context that is none is charged all the same', async () => {
    await start({ ...world.telemetry, tracing: false });
    await other.place({ orderId: 'o1', method: simulatedMethods.declineThenApprove, traceparent: 'nonsense'.repeat(40) });
    await world.advance({ seconds: 40 });
    expect(other.outcomes('o1')).toEqual(['settled']);
  });
});
