import { fork } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import {
  closeAfterEach,
  consumerHandler,
  deadAddress,
  fakeBroker,
  faultProxy,
  producerHandler,
  rawServer,
  seek,
  watchedContext,
} from './test-support.ts';

closeAfterEach();

it('9.1.2 tries the next host when a port is closed', async () => {
  const broker = await fakeBroker();
  const dead = await deadAddress();
  const { context, connectionEvents } = watchedContext(`pulsar://${dead},${dead},${broker.address}`);
  for (let time = 0; time < 3; time += 1) await seek((await context.pool.connectToService()).connection);
  expect(connectionEvents().filter((type) => type === 'connected')).toHaveLength(1);
});

it('9.1.2 fails with the last reason when no host can be reached, within the connection time-out', async () => {
  const silent = await rawServer(() => undefined);
  const { context } = watchedContext(`pulsar://${await deadAddress()},${silent}`, { connectionTimeoutMs: 60 });
  const started = performance.now();
  await expect(context.pool.connectToService()).rejects.toMatchObject({ retryable: true });
  expect(performance.now() - started).toBeLessThan(1_000);
});

it('9.1.3 stays with the host that works, and turns to the next when it is lost', async () => {
  const brokers = [await fakeBroker(), await fakeBroker()] as const;
  const { context } = watchedContext(`pulsar://${brokers[0].address},${brokers[1].address},${await deadAddress()}`);
  const first = await context.pool.connectToService();
  expect((await context.pool.connectToService()).connection).toBe(first.connection);
  const [used, other] = first.address.logical === brokers[0].address ? brokers : [brokers[1], brokers[0]];
  await used.close();
  await expect.poll(() => first.connection.closed).toBe(true);
  expect((await context.pool.connectToService()).address.logical).toBe(other.address);
});

it('9.1.16 makes one new connection for two producers and three consumers that lose theirs', async () => {
  const broker = await fakeBroker();
  const proxy = await faultProxy(broker.address);
  const client = watchedContext(proxy.serviceUrl);
  const { context } = client;
  const address = { logical: broker.address, physical: `127.0.0.1:${proxy.port}` };
  let back = 0;

  async function attach(id: number, kind: 'producer' | 'consumer'): Promise<void> {
    const connection = await context.pool.connect(address, 0);
    const onDisconnected = (): void => {
      if (client.closed) return;
      attach(id, kind).then(() => {
        back += 1;
      }, expect.unreachable);
    };
    if (kind === 'producer') connection.addProducer(id, producerHandler({ onDisconnected }));
    else connection.addConsumer(id, consumerHandler({ onDisconnected }));
  }

  await Promise.all([attach(0, 'producer'), attach(1, 'producer'), attach(0, 'consumer'), attach(1, 'consumer'), attach(2, 'consumer')]);
  expect(proxy.accepted).toBe(1);
  expect(proxy.cutAll()).toBe(1);
  await expect.poll(() => back).toBe(5);
  expect(proxy.accepted).toBe(2);
});

it('9.1.17 leaves nothing open: a process that has closed its client ends', async () => {
  const broker = await fakeBroker();
  const child = fork(new URL('./close-and-end.fixture.ts', import.meta.url), [broker.serviceUrl], {
    execArgv: ['--conditions=paystream-source', '--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const said: unknown[] = [];
  child.on('message', (message) => said.push(message));
  const code = await new Promise((resolve) => child.once('exit', resolve));
  expect(said).toEqual([{ waiting: 'ALREADY_CLOSED', after: 'ALREADY_CLOSED', handles: [] }]);
  expect(code).toBe(0);
});

it('9.1.17 settles what waits when the client closes', async () => {
  const broker = await fakeBroker(({ type }) => type === Type.SEEK || type === Type.LOOKUP);
  const { context, close } = watchedContext(broker.serviceUrl);
  const { connection } = await context.pool.connectToService();
  const outcomes = Promise.allSettled([seek(connection), context.lookup.topic('t')]);
  await broker.waitFor(({ type }) => type === Type.LOOKUP);
  await Promise.all([close(), close()]);
  expect(await outcomes).toMatchObject([{ reason: { code: 'ALREADY_CLOSED' } }, { reason: { code: 'ALREADY_CLOSED' } }]);
  await expect(context.pool.connectToService()).rejects.toMatchObject({ code: 'ALREADY_CLOSED' });
});

it('closes while a connection is being made', async () => {
  const silent = await rawServer(() => undefined);
  const { context, close } = watchedContext(`pulsar://${silent}`);
  const connecting = context.pool.connectToService();
  const outcome = connecting.catch((error: unknown) => error);
  await delay(20);
  await close();
  expect(await outcome).toMatchObject({ code: 'ALREADY_CLOSED' });
});

it('9.1.18 closes a connection that nothing uses, and opens another when needed', async () => {
  const broker = await fakeBroker();
  const { context, nextEvent, connectionEvents } = watchedContext(broker.serviceUrl, { idleConnectionMs: 40 });
  const { connection } = await context.pool.connectToService();
  connection.addConsumer(1, consumerHandler());
  await delay(120);
  expect(connection.closed).toBe(false);
  connection.removeConsumer(1);
  await nextEvent('closed');
  expect(connection.closed).toBe(true);
  await seek((await context.pool.connectToService()).connection);
  expect(connectionEvents().filter((type) => type === 'connected')).toHaveLength(2);
});

it('makes as many connections to a broker as allowed, and keeps everybody on theirs', async () => {
  const broker = await fakeBroker();
  const { context } = watchedContext(broker.serviceUrl, { maxConnectionsPerBroker: 2 });
  const address = { logical: broker.address, physical: broker.address };
  const slots = Array.from({ length: 6 }, () => context.pool.newSlot());
  const connections = await Promise.all(slots.map((slot) => context.pool.connect(address, slot)));
  expect(new Set(connections).size).toBe(2);
  expect(await context.pool.connect(address, slots[3] ?? 0)).toBe(connections[3]);
});

it('does not keep a connection that could not be made', async () => {
  let refuse = true;
  const broker = await fakeBroker(({ type }, session) => {
    if (type !== Type.CONNECT || !refuse) return false;
    session.send({ type: Type.ERROR, error: { requestId: 2n ** 64n - 1n, error: 6, message: 'booting' } });
    return true;
  });
  const { context } = watchedContext(broker.serviceUrl);
  await expect(context.pool.connectToService()).rejects.toMatchObject({ code: 'UNAVAILABLE', serverError: 'ServiceNotReady' });
  refuse = false;
  await seek((await context.pool.connectToService()).connection);
});
