import { beforeEach, expect, it } from 'vitest';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { ValueEncoder } from '../schema/port.ts';
import { type FakeWorld, fakeTime, fakeWorld, outcomeOf, pass, ready } from './test-support.ts';

beforeEach(fakeTime);

const numbers: ValueEncoder<number> = {
  info: { type: 'INT8', name: 'int8', data: new Uint8Array(), properties: {} },
  encode: (value) => Buffer.from(String(value)),
};
const flags: ValueEncoder<boolean> = {
  info: { type: 'BOOLEAN', name: 'bool', data: new Uint8Array(), properties: {} },
  encode: (value) => Buffer.from(String(value)),
};

function withRegistry(register: (name: string) => Promise<Uint8Array>): FakeWorld {
  const world = fakeWorld();
  Object.assign(world.context.lookup, { registerSchema: (_topic: string, { name }: { name: string }) => register(name) });
  return world;
}

const sentBy = (world: FakeWorld) =>
  world.connection.sent.map(({ messages, metadata }) => [messages.map(({ text }) => text).join(), metadata.schemaVersion?.[0]]);

it('a message of another schema is registered once, goes with its version, and nothing overtakes it', async () => {
  const registered: string[] = [];
  const answer = Promise.withResolvers<Uint8Array>();
  const world = withRegistry((name) => {
    registered.push(name);
    return answer.promise;
  });
  const { producer } = await ready({}, world);
  const sends = [
    producer.send('a'),
    producer.send({ value: 1, schema: numbers }),
    producer.send({ value: 2, schema: numbers }),
    producer.send('b'),
  ];
  await pass(5);
  expect(sentBy(world)).toEqual([['a', undefined]]);
  answer.resolve(new Uint8Array([7]));
  await pass(5);
  sends.push(producer.send({ value: 3, schema: numbers }));
  await pass(5);
  expect(sentBy(world)).toEqual([
    ['a', undefined],
    ['1,2', 7],
    ['b', undefined],
    ['3', 7],
  ]);
  expect(registered).toEqual(['int8']);
  for (const id of [0, 1, 3, 4]) world.connection.receipt(0, id);
  expect(await Promise.all(sends.map(outcomeOf))).toHaveLength(5);
});

it('a message whose schema does not fit the topic fails alone, and may be tried again', async () => {
  let refuse = true;
  const world = withRegistry((name) =>
    refuse && name === 'bool' ? Promise.reject(new PulsarError('INCOMPATIBLE_SCHEMA', 'no')) : Promise.resolve(new Uint8Array([1])),
  );
  const { producer } = await ready({ batching: false }, world);
  const refused = producer.send({ value: true, schema: flags });
  refused.catch(() => undefined);
  const other = producer.send({ value: 1, schema: numbers });
  await pass(0);
  expect(await outcomeOf(refused)).toBe('INCOMPATIBLE_SCHEMA');
  refuse = false;
  const again = producer.send({ value: true, schema: flags });
  await pass(0);
  expect(sentBy(world)).toEqual([
    ['1', 1],
    ['true', 1],
  ]);
  expect([await outcomeOf(other), await outcomeOf(again)]).toEqual(['pending', 'pending']);
});
