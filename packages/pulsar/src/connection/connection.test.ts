import { channel } from 'node:diagnostics_channel';
import { expect, it } from 'vitest';
import { BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import { connected, frameOf } from '../testing/fake-broker.ts';
import type { MessageFrame } from './port.ts';
import {
  closeAfterEach,
  consumerHandler,
  deadAddress,
  fakeBroker,
  faultProxy,
  messageFrame,
  producerHandler,
  rawServer,
  seek,
  watchedContext,
} from './test-support.ts';

closeAfterEach();

it('9.1.4 gives up a server that accepts and says nothing', async () => {
  const silent = await rawServer(() => undefined);
  const { context, connectionEvents } = watchedContext(`pulsar://${silent}`, { connectionTimeoutMs: 50 });
  await expect(context.pool.connectToService()).rejects.toMatchObject({ code: 'TIMEOUT', retryable: true });
  expect(connectionEvents()).toEqual(['connecting', 'failed']);
});

it('9.1.4 gives up a function that never gives a token', async () => {
  const broker = await fakeBroker();
  const { context } = watchedContext(broker.serviceUrl, {
    connectionTimeoutMs: 50,
    authentication: { method: 'token', credentials: () => new Promise(() => undefined) },
  });
  await expect(context.pool.connectToService()).rejects.toMatchObject({ code: 'TIMEOUT' });
});

it('announces what it can do', async () => {
  const broker = await fakeBroker();
  await watchedContext(broker.serviceUrl).context.pool.connectToService();
  const { connect } = await broker.waitFor(({ type }) => type === Type.CONNECT);
  expect(connect).toMatchObject({ protocolVersion: 21, authMethodName: 'none' });
  expect(connect?.clientVersion).not.toBe('');
  expect(Object.hasOwn(connect ?? {}, 'proxyToBrokerUrl')).toBe(false);
  expect(connect?.featureFlags).toMatchObject({
    supportsAuthRefresh: true,
    supportsBrokerEntryMetadata: true,
    supportsPartialProducer: true,
    supportsGetPartitionedMetadataWithoutAutoCreation: true,
  });
});

it('9.1.11 answers PING right behind a message of 5 MiB', async () => {
  const broker = await fakeBroker();
  const { connection } = await watchedContext(broker.serviceUrl).context.pool.connectToService();
  const frames: MessageFrame[] = [];
  connection.addConsumer(7, consumerHandler({ onMessage: (frame) => frames.push(frame) }));
  const body = Buffer.alloc(5 * 1024 * 1024, 1);
  broker.sessions[0]?.sendRaw(Buffer.concat([messageFrame(7n, body), frameOf({ type: Type.PING, ping: {} })]));
  await broker.waitFor(({ type }) => type === Type.PONG);
  expect(frames).toHaveLength(1);
  expect(frames[0]?.headersAndPayload.equals(body)).toBe(true);
});

it('9.1.12 closes a half-open link within two keep-alive times, tells everybody, and connects anew', async () => {
  const broker = await fakeBroker();
  const proxy = await faultProxy(broker.address);
  const { context, connectionEvents } = watchedContext(proxy.serviceUrl, { keepAliveMs: 40 });
  const { connection } = await context.pool.connectToService();
  const told: string[] = [];
  connection.addProducer(1, producerHandler({ onDisconnected: ({ code }) => told.push(`producer ${code}`) }));
  connection.addConsumer(1, consumerHandler({ onDisconnected: ({ code }) => told.push(`consumer ${code}`) }));
  const waiting = seek(connection);
  await waiting;
  proxy.stallAll();
  const started = performance.now();
  const lost = seek(connection);
  await expect(lost).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
  expect(performance.now() - started).toBeLessThan(1_000);
  expect(told).toEqual(['producer NOT_CONNECTED', 'consumer NOT_CONNECTED']);
  proxy.resume();
  await seek((await context.pool.connectToService()).connection);
  expect(connectionEvents()).toEqual(['connecting', 'connected', 'closed', 'connecting', 'connected']);
});

it('keeps a connection whose broker answers PING', async () => {
  const broker = await fakeBroker();
  const { context } = watchedContext(broker.serviceUrl, { keepAliveMs: 15 });
  const { connection } = await context.pool.connectToService();
  let pings = 0;
  await broker.waitFor(({ type }) => {
    if (type === Type.PING) pings += 1;
    return pings === 4;
  });
  expect(connection.closed).toBe(false);
});

it.each([1, 2, 3, 7, 1_000])('9.1.13 reads frames that come in pieces of %d bytes, and many in one', async (pieceBytes) => {
  const broker = await fakeBroker();
  const proxy = await faultProxy(broker.address, { pieceBytes });
  const { connection } = await watchedContext(proxy.serviceUrl).context.pool.connectToService();
  const sizes: number[] = [];
  connection.addConsumer(1, consumerHandler({ onMessage: ({ headersAndPayload }) => sizes.push(headersAndPayload.length) }));
  const frames = [0, 10, 500, 3, 1_000].map((size) => messageFrame(1n, Buffer.alloc(size)));
  broker.sessions[0]?.sendRaw(Buffer.concat(frames));
  await Promise.all([seek(connection), seek(connection)]);
  expect(sizes).toEqual([0, 10, 500, 3, 1_000]);
});

it('9.1.14 notes a command that it does not know, and goes on', async () => {
  const broker = await fakeBroker();
  const { context, nextEvent } = watchedContext(broker.serviceUrl);
  const { connection } = await context.pool.connectToService();
  broker.sessions[0]?.sendRaw(Buffer.from('000000090000000508639a0600', 'hex'));
  await seek(connection);
  expect(await nextEvent('unknown-command')).toMatchObject({ command: 99 });
  expect(connection.closed).toBe(false);
});

it('9.1.15 closes a connection whose broker sends a frame beyond the limit', async () => {
  const broker = await fakeBroker((command, session) => {
    if (command.type !== Type.SEEK) return false;
    session.sendRaw(Buffer.from('7fffffff00000004', 'hex'));
    return true;
  });
  const { context, nextEvent } = watchedContext(broker.serviceUrl);
  const { connection } = await context.pool.connectToService();
  await expect(seek(connection)).rejects.toMatchObject({ code: 'PROTOCOL' });
  expect(await nextEvent('closed')).toMatchObject({ error: { code: 'PROTOCOL' } });
});

it('takes the limit of frames from the broker', async () => {
  const broker = await fakeBroker((command, session) => {
    if (command.type !== Type.CONNECT) return false;
    session.send({ type: Type.CONNECTED, connected: { serverVersion: 'x', protocolVersion: 21, maxMessageSize: 1_000 } });
    return true;
  });
  const { connection } = await watchedContext(broker.serviceUrl).context.pool.connectToService();
  expect(connection.maxMessageSize).toBe(1_000);
  expect(connection.features).toMatchObject({ topicWatchers: false, metadataWithoutAutoCreation: false });
  broker.sessions[0]?.sendRaw(messageFrame(1n, Buffer.alloc(12_000)));
  await expect(seek(connection)).rejects.toMatchObject({ code: 'PROTOCOL' });
});

it.each([
  ['bytes that are no frame', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['a command that is no protobuf', Buffer.from('0000000800000004ffffffff', 'hex')],
])('gives up a server that answers the handshake with %s', async (_, bytes) => {
  const server = await rawServer((socket) => socket.write(bytes));
  await expect(watchedContext(`pulsar://${server}`).context.pool.connectToService()).rejects.toMatchObject({ code: 'PROTOCOL' });
});

it('reports a server that closes the connection at once', async () => {
  const server = await rawServer((socket) => socket.destroy());
  await expect(watchedContext(`pulsar://${server}`).context.pool.connectToService()).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
});

it('gives commands to whom they are for', async () => {
  const broker = await fakeBroker();
  const { connection } = await watchedContext(broker.serviceUrl).context.pool.connectToService();
  const told: unknown[] = [];
  const note =
    (what: string) =>
    (...details: readonly unknown[]): void => {
      told.push([what, ...details]);
    };
  connection.addProducer(
    1,
    producerHandler({
      onReceipt: note('receipt'),
      onSendError: (sequenceId, { code, serverError }) => note('send error')(sequenceId, code, serverError),
      onClosed: note('producer closed'),
      onMigrated: note('producer migrated'),
    }),
  );
  connection.addConsumer(
    1,
    consumerHandler({
      onActiveChange: note('active'),
      onEndOfTopic: note('end'),
      onClosed: note('consumer closed'),
      onMigrated: note('consumer migrated'),
    }),
  );
  connection.addTopicList(5, { onUpdate: ({ newTopics }) => note('topics')(newTopics), onDisconnected: note('lost') });
  broker.sessions[0]?.send(
    {
      type: Type.SEND_RECEIPT,
      sendReceipt: { producerId: 1n, sequenceId: 3n, highestSequenceId: 2n ** 64n - 1n, messageId: { ledgerId: 4n, entryId: 5n } },
    },
    { type: Type.SEND_ERROR, sendError: { producerId: 1n, sequenceId: 4n, error: 9, message: 'crc' } },
    { type: Type.CLOSE_PRODUCER, closeProducer: { producerId: 1n, requestId: 2n ** 64n - 1n, assignedBrokerServiceUrl: 'pulsar://b:1' } },
    { type: Type.TOPIC_MIGRATED, topicMigrated: { resourceId: 1n, resourceType: 0, brokerServiceUrl: 'pulsar://c:1' } },
    { type: Type.ACTIVE_CONSUMER_CHANGE, activeConsumerChange: { consumerId: 1n, isActive: true } },
    { type: Type.REACHED_END_OF_TOPIC, reachedEndOfTopic: { consumerId: 1n } },
    { type: Type.CLOSE_CONSUMER, closeConsumer: { consumerId: 1n, requestId: 2n ** 64n - 1n } },
    { type: Type.TOPIC_MIGRATED, topicMigrated: { resourceId: 1n, resourceType: 1, brokerServiceUrlTls: 'pulsar+ssl://c:2' } },
    { type: Type.WATCH_TOPIC_UPDATE, watchTopicUpdate: { watcherId: 5n, newTopics: ['t'], deletedTopics: [], topicsHash: 'h' } },
    // For nobody.
    { type: Type.CLOSE_CONSUMER, closeConsumer: { consumerId: 9n, requestId: 0n } },
    { type: Type.SUCCESS, success: { requestId: 999n } },
  );
  await seek(connection);
  expect(told).toEqual([
    ['receipt', { producerId: 1, sequenceId: 3, highestSequenceId: -1, ledgerId: 4n, entryId: 5n }],
    ['send error', 4, 'CORRUPT', 'ChecksumError'],
    ['producer closed', { serviceUrl: 'pulsar://b:1', serviceUrlTls: undefined }],
    ['producer migrated', { serviceUrl: 'pulsar://c:1', serviceUrlTls: undefined }],
    ['active', true],
    ['end'],
    ['consumer closed', { serviceUrl: undefined, serviceUrlTls: undefined }],
    ['consumer migrated', { serviceUrl: undefined, serviceUrlTls: 'pulsar+ssl://c:2' }],
    ['topics', ['t']],
  ]);
});

it('sends what is written in one turn in one piece, and says when to stop', async () => {
  const chunks: number[] = [];
  let handshaken = false;
  const server = await rawServer((socket) => {
    socket.on('data', (chunk) => {
      if (handshaken) chunks.push(chunk.length);
      else socket.write(frameOf(connected));
      handshaken = true;
    });
  });
  const { connection } = await watchedContext(`pulsar://${server}`).context.pool.connectToService();
  for (let count = 0; count < 100; count += 1) connection.write(Buffer.alloc(50));
  await expect.poll(() => chunks).toEqual([5_000]);
  expect(connection.write(Buffer.alloc(3 * 1024 * 1024))).toBe(false);
  expect(connection.writable).toBe(false);
  await connection.drained();
  expect(connection.writable).toBe(true);
});

it('wakes who waits to write when the connection is lost', async () => {
  const server = await rawServer((socket) => {
    socket.once('data', () => {
      socket.write(frameOf(connected));
      socket.pause();
    });
  });
  const { connection } = await watchedContext(`pulsar://${server}`).context.pool.connectToService();
  connection.write(Buffer.alloc(50 * 1024 * 1024));
  const drained = connection.drained();
  connection.close();
  await drained;
  expect(connection.writable).toBe(false);
  expect(connection.write(Buffer.alloc(1))).toBe(false);
});

it('closes only the connection when what a handler does fails', async () => {
  const broker = await fakeBroker();
  const { context } = watchedContext(broker.serviceUrl);
  const { connection } = await context.pool.connectToService();
  connection.addConsumer(
    1,
    consumerHandler({
      onMessage: () => {
        throw new Error('a defect');
      },
    }),
  );
  const lost = seek(connection);
  broker.sessions[0]?.sendRaw(messageFrame(1n, Buffer.alloc(1)));
  await lost.catch(() => undefined);
  await expect.poll(() => connection.closed).toBe(true);
  await seek((await context.pool.connectToService()).connection);
});

it('publishes what happens on a diagnostics channel', async () => {
  const heard: unknown[] = [];
  const subscriber = (event: unknown): void => {
    heard.push(event);
  };
  channel('paystream:pulsar:connection').subscribe(subscriber);
  const broker = await fakeBroker();
  await watchedContext(broker.serviceUrl).context.pool.connectToService();
  channel('paystream:pulsar:connection').unsubscribe(subscriber);
  expect(heard).toMatchObject([
    { type: 'connecting', broker: broker.address },
    { type: 'connected', serverVersion: 'Fake Broker' },
  ]);
});

it('reports a port that nothing listens on', async () => {
  const { context } = watchedContext(`pulsar://${await deadAddress()}`);
  await expect(context.pool.connectToService()).rejects.toMatchObject({ code: 'NOT_CONNECTED', retryable: true });
});
