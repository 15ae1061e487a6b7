import { createProducer, defineTopic, json, PaystreamError } from '@paystream/core';
import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import { expect, it } from 'vitest';
import { z } from 'zod';
import type { Channel } from '../channel/port.ts';
import { defineTemplate } from '../template/template.ts';
import { createNotifier } from './notifier.ts';

const events = defineTopic({ name: 'events', codec: json(z.object({ n: z.number() })) });
const text = defineTemplate(() => ({ text: 'x' }));
const to = () => ({ addresses: { email: 'a@example.org', sms: '+49 1' } });
const rules = [{ on: events, to, templates: { email: text, sms: text } }] as const;

type Answer = 'delivered' | 'deferred' | 'away';

function channelThat(name: string, answer: () => Answer): Channel {
  const deliver: Channel['deliver'] = async () => {
    const outcome = answer();
    if (outcome === 'delivered') return { outcome };
    throw new PaystreamError(outcome === 'away' ? 'UNAVAILABLE' : 'RESOURCE_EXHAUSTED', 'no', { reason: 'TEST' });
  };
  return { name, capabilities: { idempotent: true }, deliver };
}

async function publish({ broker, clock, random }: TestWorld, count: number): Promise<void> {
  const producer = await createProducer(broker, events, { clock, random });
  await Promise.all(Array.from({ length: count }, (_, n) => producer.send({ n })));
  await producer.close();
}

it('an outage of the mail server is seen by how many deliveries wait for it and for how long, those in the table too, and so is its end', async () => {
  await using world = await createTestWorld();
  const { telemetry } = world;
  const backlog = (channel: string) => [
    telemetry.gaugeValue('paystream_notify_waiting', { channel }),
    telemetry.gaugeValue('paystream_notify_oldest_seconds', { channel }),
  ];
  let email: Answer = 'away';
  const channels = { email: channelThat('email', () => email), sms: channelThat('sms', () => 'delivered') };
  await using notifier = await createNotifier({ ...world, channels, rules });
  await publish(world, 300);
  await world.advance({ seconds: 65 });
  expect(notifier.channels[0]?.inMemory).toBeLessThan(200);
  const [count, oldest] = backlog('email');
  expect(count).toBe(300);
  expect(oldest).toBeGreaterThan(50);
  expect(oldest).toBeLessThanOrEqual(65);
  expect(backlog('sms')).toEqual([0, 0]);
  email = 'delivered';
  await world.advance({ minutes: 1 });
  expect(backlog('email')).toEqual([0, 0]);
  email = 'deferred';
  await publish(world, 1);
  // Before its next try; it waits for that, and is not late.
  await world.runUntil(async () => telemetry.gaugeValue('paystream_notify_waiting', { channel: 'email' }) === 1);
  expect(backlog('email')).toEqual([1, 0]);
  await notifier.close();
  expect(backlog('email')).toEqual([0, 0]);
});
