import { createConsumer, createProducer, defineTopic, json } from '@paystream/core';
import { createPulsarBroker } from '@paystream/core/pulsar';
import type { PulsarClient } from '@paystream/pulsar';
import { z } from 'zod';

/** Sends a greeting through a Pulsar client of yours, and gives what arrived. The client stays open. */
export async function greet(client: PulsarClient, topicName: string, text: string): Promise<string> {
  const greetings = defineTopic({ name: topicName, codec: json(z.object({ text: z.string() })) });
  const broker = createPulsarBroker({ client });
  const arrived = Promise.withResolvers<string>();
  const consumer = await createConsumer(broker, greetings, {
    subscription: 'greetings',
    initialPosition: 'earliest',
    handler: async (greeting) => arrived.resolve(greeting.text),
  });
  const producer = await createProducer(broker, greetings);
  await producer.send({ text });
  const answer = await arrived.promise;
  await producer.close();
  await consumer.close();
  await broker.close();
  return answer;
}
