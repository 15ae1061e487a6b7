import { describe, expect, it } from 'vitest';
import type { Broker, SubscribeOptions } from '../broker/port.ts';
import { type ErrorCode, PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import { createTestWorld, type TestWorld } from '../testing/test-world.ts';
import { createConsumer } from './consumer.ts';
import type { Consumer } from './port.ts';
import { nameOf, send, steps, within, withSubscription } from './test-support.ts';

/** What a logger was told: `warn cannot receive`. */
function lines(): { readonly told: string[]; readonly logger: Logger } {
  const told: string[] = [];
  const at = (level: string) => (_: unknown, text?: string) => void told.push(`${level} ${text}`);
  return { told, logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } as unknown as Logger };
}

const notRunning = { code: 'UNAVAILABLE', reason: 'CONSUMER_NOT_RUNNING' };

async function consume(world: TestWorld, broker: Broker, logger: Logger): Promise<{ consumer: Consumer; handled: string[] }> {
  const handled: string[] = [];
  const handler = async (step: Parameters<typeof nameOf>[0]): Promise<void> => void handled.push(nameOf(step));
  return { consumer: await createConsumer(broker, steps, { ...within(world), logger, handler }), handled };
}

describe('a consumer that receives nothing', () => {
  it.each<[ErrorCode, string]>([
    ['NOT_FOUND', 'TOPIC_NOT_FOUND'],
    ['PERMISSION_DENIED', 'PULSAR_NOT_AUTHORIZED'],
    ['UNAVAILABLE', 'PULSAR_UNREACHABLE'],
  ])('is not ready while the broker refuses it (%s), says so once, and is ready again after a message', async (code, reason) => {
    await using world = await createTestWorld();
    const { told, logger } = lines();
    let up = true;
    let refused = 0;
    const broker = withSubscription(world.broker, (subscription) => ({
      ...subscription,
      receive: (max, signal) => {
        if (up) return subscription.receive(max, signal);
        refused += 1;
        return Promise.reject(new PaystreamError(code, 'refused', { reason }));
      },
    }));
    const { consumer, handled } = await consume(world, broker, logger);
    await consumer.check();
    up = false;
    // What waited already still brings this one; then it is refused.
    await send(world, 'a1');
    await world.advance({ minutes: 10 });
    expect(handled).toEqual(['a1']);
    expect(consumer.status).toMatchObject({ state: 'paused', pausedBy: `${reason}: refused` });
    await expect(consumer.check()).rejects.toMatchObject({ ...notRunning, message: expect.stringContaining(reason) });
    const labels = { topic: 'steps', subscription: 'test' };
    expect(world.telemetry.gaugeValue('paystream_consumer_cut_off', labels)).toBe(1);
    expect(world.telemetry.counter('paystream_consumer_broker_retries_total', { ...labels, operation: 'receive' })).toBe(refused);
    expect(told.filter((line) => line.includes('receive'))).toEqual(['warn cannot receive: tried again until it can']);
    up = true;
    await send(world, 'a2');
    await world.advance({ seconds: 5 });
    expect(handled).toEqual(['a1', 'a2']);
    await consumer.check();
    expect(consumer.status).toMatchObject({ state: 'running', pausedBy: undefined });
    expect(world.telemetry.gaugeValue('paystream_consumer_cut_off')).toBe(0);
    expect(told.filter((line) => line.includes('receive'))).toHaveLength(2);
    await consumer.close();
  });

  it('is ready again though no message comes: to wait for one without being refused is to work', async () => {
    await using world = await createTestWorld();
    let up = false;
    const away = new PaystreamError('UNAVAILABLE', 'away', { reason: 'AWAY' });
    const broker = withSubscription(world.broker, (subscription) => ({
      ...subscription,
      receive: (max, signal) => (up ? subscription.receive(max, signal) : Promise.reject(away)),
    }));
    const { consumer } = await consume(world, broker, lines().logger);
    await world.advance({ minutes: 1 });
    await expect(consumer.check()).rejects.toMatchObject(notRunning);
    up = true;
    await world.advance({ seconds: 10 });
    await consumer.check();
    await consumer.close();
  });

  it('is not ready while its subscription says that it is cut off, though nothing is refused', async () => {
    await using world = await createTestWorld();
    const { told, logger } = lines();
    let tell: SubscribeOptions['onOutage'];
    const broker: Broker = {
      ...world.broker,
      subscribe: (options) => {
        tell = options.onOutage;
        return world.broker.subscribe(options);
      },
    };
    const { consumer } = await consume(world, broker, logger);
    tell?.(new PaystreamError('UNAVAILABLE', 'no way to it', { reason: 'PULSAR_UNREACHABLE' }));
    tell?.(new PaystreamError('PERMISSION_DENIED', 'not you', { reason: 'PULSAR_NOT_AUTHORIZED' }));
    await world.advance({ minutes: 1 });
    expect(consumer.status).toMatchObject({ state: 'paused', pausedBy: 'PULSAR_NOT_AUTHORIZED: not you' });
    await expect(consumer.check()).rejects.toMatchObject(notRunning);
    tell?.(undefined);
    await consumer.check();
    expect(told).toEqual(['warn cannot receive: tried again until it can', 'info receives again']);
    await consumer.close();
  });

  it('leaves no gauge behind when it is closed meanwhile', async () => {
    await using world = await createTestWorld();
    const away = new PaystreamError('UNAVAILABLE', 'away', { reason: 'AWAY' });
    const broker = withSubscription(world.broker, (subscription) => ({ ...subscription, receive: () => Promise.reject(away) }));
    const { consumer } = await consume(world, broker, lines().logger);
    await world.advance({ seconds: 1 });
    expect(world.telemetry.gaugeValue('paystream_consumer_cut_off')).toBe(1);
    await consumer.close();
    expect(world.telemetry.gaugeValue('paystream_consumer_cut_off')).toBe(0);
    expect(consumer.status.state).toBe('stopped');
  });
});
