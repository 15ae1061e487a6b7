import { expect, it, vi } from 'vitest';
import { closeAfterEach, consumerHandler, fakeBroker, rawServer, watchedContext } from '../connection/test-support.ts';
import { LookupType, ServerError, BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import type { CommandInit, FakeBroker } from '../testing/fake-broker.ts';
import { createThrottle } from './throttle.ts';

closeAfterEach();

/** An answer to a look-up. */
function found(requestId: bigint | undefined, more: NonNullable<CommandInit['lookupTopicResponse']>): CommandInit {
  return { type: Type.LOOKUP_RESPONSE, lookupTopicResponse: { requestId: requestId ?? 0n, response: LookupType.CONNECT, ...more } };
}

function refused(requestId: bigint | undefined, error: ServerError): CommandInit {
  return found(requestId, { response: LookupType.LOOKUP_FAILED, error, message: 'no' });
}

/** A broker that redirects each look-up to itself, so often. */
async function redirecting(times: number): Promise<FakeBroker> {
  let left = times;
  const broker: FakeBroker = await fakeBroker(({ lookupTopic }, session) => {
    if (lookupTopic === undefined || left === 0) return false;
    left -= 1;
    session.send(found(lookupTopic.requestId, { response: LookupType.REDIRECT, authoritative: true, brokerServiceUrl: broker.serviceUrl }));
    return true;
  });
  return broker;
}

it('9.2.19 follows redirects to other brokers, with what they say of their authority', async () => {
  const owner = await fakeBroker();
  const first = await fakeBroker(({ lookupTopic }, session) => {
    if (lookupTopic === undefined) return false;
    session.send(found(lookupTopic.requestId, { response: LookupType.REDIRECT, authoritative: true, brokerServiceUrl: owner.serviceUrl }));
    return true;
  });
  const { context } = watchedContext(first.serviceUrl);
  expect(await context.lookup.topic('orders')).toEqual({ logical: owner.address, physical: owner.address });
  const asked = async (broker: FakeBroker): Promise<unknown> => (await broker.waitFor(({ type }) => type === Type.LOOKUP)).lookupTopic;
  expect(await asked(first)).toMatchObject({ topic: 'persistent://public/default/orders', authoritative: false });
  expect(await asked(owner)).toMatchObject({ topic: 'persistent://public/default/orders', authoritative: true });
});

it('9.2.19 gives up after 20 redirects', async () => {
  const { context } = watchedContext((await redirecting(20)).serviceUrl);
  await context.lookup.topic('t');
  const other = watchedContext((await redirecting(21)).serviceUrl);
  await expect(other.context.lookup.topic('t')).rejects.toMatchObject({ code: 'BROKER', retryable: false });
});

it('9.2.20 connects through a proxy, and tells it which broker is meant', async () => {
  const proxy = await fakeBroker(({ lookupTopic }, session) => {
    if (lookupTopic === undefined) return false;
    const broker = { brokerServiceUrl: 'pulsar://broker-7:6650', proxyThroughServiceUrl: true };
    session.send(found(lookupTopic.requestId, broker));
    return true;
  });
  const { context } = watchedContext(proxy.serviceUrl);
  const address = await context.lookup.topic('t');
  expect(address).toEqual({ logical: 'broker-7:6650', physical: proxy.address });
  const connection = await context.pool.connect(address, 0);
  expect(connection.broker).toBe('broker-7:6650');
  const { connect } = await proxy.waitFor((command) => command.connect?.proxyToBrokerUrl !== '' && command.connect !== undefined);
  expect(connect?.proxyToBrokerUrl).toBe('broker-7:6650');
});

it('takes the address without TLS, and says so if there is none', async () => {
  const broker = await fakeBroker(({ lookupTopic }, session) => {
    if (lookupTopic === undefined) return false;
    session.send(found(lookupTopic.requestId, { brokerServiceUrlTls: 'pulsar+ssl://b:6651' }));
    return true;
  });
  const { context } = watchedContext(broker.serviceUrl);
  await expect(context.lookup.topic('t')).rejects.toThrow('has no address without TLS');
});

it('9.2.22 does not try again what cannot pass', async () => {
  const broker = await fakeBroker(({ lookupTopic }, session) => {
    if (lookupTopic === undefined) return false;
    session.send(refused(lookupTopic.requestId, ServerError.TOPIC_NOT_FOUND));
    return true;
  });
  const { context, events } = watchedContext(broker.serviceUrl);
  await expect(context.lookup.topic('none/such/topic')).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND', command: 'LOOKUP' });
  expect(events.filter(({ type }) => type === 'retry')).toEqual([]);
});

it('9.2.23 drops the connection to a broker that is not ready, and tries again until the time is up', async () => {
  let refusals = 3;
  const broker = await fakeBroker(({ lookupTopic }, session) => {
    if (lookupTopic === undefined || refusals === 0) return false;
    refusals -= 1;
    session.send(refused(lookupTopic.requestId, ServerError.SERVICE_NOT_READY));
    return true;
  });
  const { context, events } = watchedContext(broker.serviceUrl, { backoff: { initialMs: 5, maxMs: 20 }, operationTimeoutMs: 2_000 });
  await context.lookup.topic('t');
  expect(broker.sessions).toHaveLength(4);
  const delays = events.flatMap((event) => (event.type === 'retry' ? [event.delayMs] : []));
  expect(delays).toHaveLength(3);
  expect(delays[2]).toBeGreaterThan(delays[0] ?? 0);

  refusals = Number.POSITIVE_INFINITY;
  const other = watchedContext(broker.serviceUrl, { backoff: { initialMs: 5, maxMs: 20 }, operationTimeoutMs: 100 });
  await expect(other.context.lookup.topic('t')).rejects.toMatchObject({ code: 'UNAVAILABLE', serverError: 'ServiceNotReady' });
});

it('9.2.23 leaves producers and consumers alone when their broker is not ready for look-ups', async () => {
  let refusals = 2;
  const broker = await fakeBroker(({ lookupTopic }, session) => {
    if (lookupTopic === undefined || refusals === 0) return false;
    refusals -= 1;
    session.send(refused(lookupTopic.requestId, ServerError.SERVICE_NOT_READY));
    return true;
  });
  const { context } = watchedContext(broker.serviceUrl, { backoff: { initialMs: 5, maxMs: 20 } });
  const { connection } = await context.pool.connectToService();
  connection.addConsumer(1, consumerHandler({ onDisconnected: ({ message }) => expect.unreachable(message) }));
  await context.lookup.topic('t');
  expect(connection.closed).toBe(false);
  connection.removeConsumer(1);
});

it('9.2.23 asks another host when one is not ready', async () => {
  const unready = await fakeBroker(({ lookupTopic }, session) => {
    if (lookupTopic === undefined) return false;
    session.send(refused(lookupTopic.requestId, ServerError.SERVICE_NOT_READY));
    return true;
  });
  const ready = await fakeBroker();
  const { context } = watchedContext(`pulsar://${unready.address},${ready.address}`, { backoff: { initialMs: 5, maxMs: 20 } });
  expect(await context.lookup.topic('t')).toMatchObject({ logical: ready.address });
});

it('9.2.24 tries again when there are too many requests, and closes a connection that refuses too many', async () => {
  const broker = await fakeBroker(({ lookupTopic }, session) => {
    if (lookupTopic === undefined) return false;
    session.send(refused(lookupTopic.requestId, ServerError.TOO_MANY_REQUESTS));
    return true;
  });
  const { context } = watchedContext(broker.serviceUrl, { backoff: { initialMs: 1, maxMs: 2 }, operationTimeoutMs: 400 });
  await expect(context.lookup.topic('t')).rejects.toMatchObject({ code: 'UNAVAILABLE', serverError: 'TooManyRequests' });
  expect(broker.sessions.length).toBeGreaterThan(1);
  expect(broker.sessions[0]?.received.filter(({ type }) => type === Type.LOOKUP)).toHaveLength(51);
});

it('9.2.24 lets no more look-ups run and wait than allowed', async () => {
  const throttle = createThrottle(() => undefined, 2, 1);
  const ends: (() => void)[] = [];
  const work = vi.fn(() => new Promise<void>((resolve) => ends.push(resolve)));
  const running = [throttle.run(work), throttle.run(work), throttle.run(work)];
  await expect(throttle.run(work)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(work).toHaveBeenCalledTimes(2);
  ends[0]?.();
  await running[0];
  await Promise.resolve();
  expect(work).toHaveBeenCalledTimes(3);
  for (const end of ends) end();
  await Promise.all(running);
});

it('gives up when its own time is up, however long a connection may take', async () => {
  const silent = await rawServer(() => undefined);
  const { context } = watchedContext(`pulsar://${silent}`, { connectionTimeoutMs: 5_000, operationTimeoutMs: 60 });
  const started = performance.now();
  await expect(context.lookup.topic('t')).rejects.toMatchObject({ code: 'TIMEOUT', command: 'LOOKUP' });
  expect(performance.now() - started).toBeLessThan(2_000);
});

it('shares look-ups that are under way', async () => {
  const broker = await fakeBroker();
  const { context } = watchedContext(broker.serviceUrl);
  const [one, two] = await Promise.all([context.lookup.topic('t'), context.lookup.topic('persistent://public/default/t')]);
  expect(two).toBe(one);
  await Promise.all([context.lookup.partitions('t'), context.lookup.partitions('t'), context.lookup.partitions('t', { create: false })]);
  const count = (type: number): number =>
    broker.sessions.flatMap(({ received }) => received).filter((command) => command.type === type).length;
  expect(count(Type.LOOKUP)).toBe(1);
  expect(count(Type.PARTITIONED_METADATA)).toBe(2);
  await context.lookup.topic('t');
  expect(count(Type.LOOKUP)).toBe(2);
});

it('survives brokers that go away between question and answer', async () => {
  let losses = 2;
  const broker = await fakeBroker(({ type }, session) => {
    if (type !== Type.LOOKUP || losses === 0) return false;
    losses -= 1;
    session.close();
    return true;
  });
  const { context } = watchedContext(broker.serviceUrl, { backoff: { initialMs: 5, maxMs: 20 } });
  expect(await context.lookup.topic('t')).toMatchObject({ logical: broker.address });
});

it('ends look-ups that wait to be tried again when the client closes', async () => {
  const broker = await fakeBroker(({ lookupTopic }, session) => {
    if (lookupTopic === undefined) return false;
    session.send(refused(lookupTopic.requestId, ServerError.METADATA_ERROR));
    return true;
  });
  const { context, close, nextEvent } = watchedContext(broker.serviceUrl, { backoff: { initialMs: 20_000, maxMs: 20_000 } });
  const outcome = context.lookup.topic('t').catch((error: unknown) => error);
  await nextEvent('retry');
  await close();
  expect(await outcome).toMatchObject({ code: 'ALREADY_CLOSED' });
});

it('names the listener that it wants', async () => {
  const broker = await fakeBroker();
  const { context } = watchedContext(broker.serviceUrl, { listenerName: 'external' });
  await context.lookup.topic('t');
  const { lookupTopic } = await broker.waitFor(({ type }) => type === Type.LOOKUP);
  expect(lookupTopic?.advertisedListenerName).toBe('external');
});
