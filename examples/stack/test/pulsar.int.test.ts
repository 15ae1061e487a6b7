import { createIdGenerator, PaystreamError, systemClock, systemRandom } from '@paystream/core';
import { OrderState } from '@paystream/core/contracts';
import { createSeededRandom } from '@paystream/core/testing';
import { createOrderClient } from '@paystream/order/client';
import { createPulsarAdmin } from '@paystream/pulsar/admin';
import { expect, inject, it } from 'vitest';
import { createBookReader, faultsIn } from '../src/load/books.ts';
import { createStackProcess } from './stack-process.ts';

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

/** The broker that all tests of a run share, and a namespace in it for this one. */
async function openNamespace(): Promise<{ readonly serviceUrl: string; readonly namespace: string; topics(): Promise<readonly string[]> }> {
  const manager = (inject as (key: string) => string)('pulsarBrokers');
  const answer = await fetch(`${manager}/default/start`);
  if (!answer.ok) throw new Error(await answer.text());
  const { serviceUrl, adminUrl } = (await answer.json()) as { serviceUrl: string; adminUrl: string };
  const admin = createPulsarAdmin({ url: adminUrl });
  const namespace = `public/stack-${systemClock.now().toString(36)}`;
  await admin.namespaces.create(namespace);
  return { serviceUrl, namespace, topics: () => admin.topics.list(namespace) };
}

it(`charges each order once on a real broker, through ${kills} kill -9 of the stack under load`, async () => {
  const { serviceUrl, namespace, topics } = await openNamespace();
  const random = createSeededRandom(Number(process.env['PAYSTREAM_TEST_SEED'] ?? 1));
  const nextId = createIdGenerator(systemClock, systemRandom);
  await using stack = await createStackProcess({ ...settings, PAYSTREAM_PULSAR_URL: serviceUrl, PAYSTREAM_PULSAR_NAMESPACE: namespace });
  const acknowledged = new Map<string, string>();
  const load = { on: true };
  const client = createOrderClient({ baseUrl: `http://${stack.grpc}`, protocol: 'grpc' });

  const keepPlacing = async (): Promise<void> => {
    let requestId = nextId();
    while (load.on || acknowledged.size < wanted) {
      try {
        const order = await client.createOrder({
          requestId,
          merchantId: 'merchant-1',
          customer: { customerId: 'c1', name: 'Ada Example', email: 'ada@example.org', phone: '+4930123456' },
          paymentMethod: { reference: 'pm_mixed' },
          items: [{ productId: 'coffee-1kg', quantity: 1 }],
        });
        acknowledged.set(requestId, order.orderId);
        requestId = nextId();
        // The load goes on through every kill, rather than be over before the first.
        await systemClock.sleep(random.next() * 300);
      } catch (cause) {
        const error = PaystreamError.from(cause);
        if (!['UNAVAILABLE', 'CANCELED', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED'].includes(error.code)) throw error;
        await systemClock.sleep(20);
      }
    }
  };

  await stack.start();
  const placing = Promise.all(Array.from({ length: clients }, keepPlacing));
  for (let kill = 0; kill < kills; kill++) {
    await systemClock.sleep(500 + random.next() * 1_500);
    await stack.kill();
    await stack.start();
  }
  load.on = false;
  await placing;

  const books = await createBookReader({ target: stack.grpc, clock: systemClock }).settled(150_000);
  expect(faultsIn(books)).toEqual([]);
  const states = new Set<OrderState>();
  for (const orderId of acknowledged.values()) states.add((await client.getOrder({ orderId, merchantId: 'merchant-1' })).state);
  await client.close();
  expect(await stack.stop(), stack.output).toBe(0);

  const final: readonly OrderState[] = [OrderState.PAID, OrderState.DECLINED, OrderState.EXPIRED];
  expect([...states].filter((state) => !final.includes(state))).toEqual([]);
  expect((await topics()).filter((topic) => topic.endsWith('-dlq'))).toEqual([]);
  expect(acknowledged.size).toBeGreaterThanOrEqual(wanted);
});

it('says what to do when there is no broker', async () => {
  await using stack = await createStackProcess({ PAYSTREAM_BROKER: 'pulsar', PAYSTREAM_PULSAR_URL: 'pulsar://127.0.0.1:1' });
  expect(await stack.fail()).not.toBe(0);
  expect(stack.output).toContain('no Pulsar broker at pulsar://127.0.0.1:1');
  expect(stack.output).toContain('npm run pulsar -- start');
});
