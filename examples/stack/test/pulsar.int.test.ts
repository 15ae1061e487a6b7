import { systemClock } from '@paystream/core';
import { createSeededRandom } from '@paystream/core/testing';
import { expect, it } from 'vitest';
import { createBookReader, faultsIn } from '../src/load/books.ts';
import { finalStates, keepPlacing } from './keep-placing.ts';
import { lastStates } from './last-states.ts';
import { createStackProcess } from './stack-process.ts';
import { openNamespace } from './test-support.ts';
import { caller, pathsIn, traceOrderByGrpc, wholePath } from './traced-order.ts';

const kills = 4;
const clients = 16;
const wanted = 500;

/** Short waits, and every way in which a gateway can go wrong. */
const settings = {
  PAYSTREAM_BROKER: 'pulsar',
  PAYSTREAM_GATEWAY_LATENCY_MS: '0-150',
  PAYSTREAM_GATEWAY_MIX:
    'approve=66,decline=8,decline-later=8,time-out-after-charging=4,time-out-before-charging=4,error-after-charging=4,error-before-charging=4,duplicate=2',
  PAYSTREAM_PAYMENT_CALL_TIMEOUT_MS: '400',
  PAYSTREAM_PAYMENT_RETRY_DELAY_MS: '300',
  PAYSTREAM_PAYMENT_LOOKUP_DELAYS_MS: '100,300,1000',
};

it(`charges each order once on a real broker, through ${kills} kill -9 of the stack under load`, async () => {
  const { serviceUrl, namespace, topics } = await openNamespace();
  const random = createSeededRandom(Number(process.env['PAYSTREAM_TEST_SEED'] ?? 1));
  await using stack = await createStackProcess({ ...settings, PAYSTREAM_PULSAR_URL: serviceUrl, PAYSTREAM_PULSAR_NAMESPACE: namespace });
  await stack.start();
  // The load goes on through every kill, rather than be over before the first.
  const placing = keepPlacing({ targets: [stack.grpc], clients, random, pauseMs: 300 });
  const { acknowledged } = placing;
  for (let kill = 0; kill < kills; kill++) {
    await systemClock.sleep(500 + random.next() * 1_500);
    await stack.kill();
    await stack.start();
  }
  if (acknowledged.size < wanted) await placing.more(wanted - acknowledged.size);
  await placing.stop();

  // Only then the books are whole: an order may be on its way to the payment service.
  const states = await lastStates(stack.grpc, acknowledged.values());
  const books = await createBookReader({ target: stack.grpc, clock: systemClock }).settled(150_000);
  expect(faultsIn(books)).toEqual([]);
  expect(await stack.stop(), stack.output).toBe(0);

  expect([...states].filter(([, state]) => !finalStates.has(state))).toEqual([]);
  expect((await topics()).filter((topic) => topic.endsWith('-dlq'))).toEqual([]);
  expect(acknowledged.size).toBeGreaterThanOrEqual(wanted);
});

it('traces an order from its gRPC call over the topics of a real broker to the databases', async () => {
  const { serviceUrl, namespace } = await openNamespace();
  const trace = await traceOrderByGrpc({
    PAYSTREAM_BROKER: 'pulsar',
    PAYSTREAM_PULSAR_URL: serviceUrl,
    PAYSTREAM_PULSAR_NAMESPACE: namespace,
  });
  expect(pathsIn(trace)).toEqual(expect.arrayContaining([...wholePath]));
  expect(trace.find(({ name }) => name === wholePath[0])?.parentSpanContext?.spanId).toBe(caller.spanId);
  expect(trace.find(({ name }) => name === 'process orders')?.attributes['messaging.system.name']).toBe('pulsar');
});

it('says what to do when there is no broker', async () => {
  await using stack = await createStackProcess({ PAYSTREAM_BROKER: 'pulsar', PAYSTREAM_PULSAR_URL: 'pulsar://127.0.0.1:1' });
  expect(await stack.fail()).not.toBe(0);
  expect(stack.output).toContain('no Pulsar broker at pulsar://127.0.0.1:1');
  expect(stack.output).toContain('npm run pulsar -- start');
});
