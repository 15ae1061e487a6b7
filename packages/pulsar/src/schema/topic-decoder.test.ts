import { describe, expect, it } from 'vitest';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { BrokerSchema } from '../lookup/port.ts';
import { Schema } from './schema.ts';
import { createTopicDecoder } from './topic-decoder.ts';

const version = (n: number): Uint8Array => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, n);
const field = (name: string, extra: object = {}): object => ({ name, type: 'string', ...extra });
const record = (...fields: object[]): never => ({ type: 'record', name: 'R', fields }) as never;
const brokerSchema = (definition: unknown, type = 4): BrokerSchema => ({
  type,
  name: 't',
  data: Buffer.from(JSON.stringify(definition)),
  properties: {},
  version: version(0),
});

function lookupOf(answers: Record<number, BrokerSchema | Error | undefined>) {
  const asked: number[] = [];
  return {
    asked,
    async schema(_topic: string, wanted?: Uint8Array): Promise<BrokerSchema | undefined> {
      const number = wanted?.[7] ?? -1;
      asked.push(number);
      const answer = answers[number];
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
}

const reader = Schema.avro<{ a: string; b: string }>(record(field('a'), field('b', { default: 'new' })));
const oldDefinition = record(field('a'));
const oldBytes = Schema.avro<{ a: string }>(oldDefinition).encode({ a: 'x' });
const newBytes = reader.encode({ a: 'x', b: 'y' });

describe('the decoder of a topic', () => {
  it('reads each message by the version it was written with, and asks for a version once', async () => {
    const lookup = lookupOf({ 0: brokerSchema(oldDefinition), 1: brokerSchema(record(field('a'), field('b', { default: 'new' }))) });
    const decoder = createTopicDecoder({ schema: reader, topic: 't', lookup });
    await Promise.all([decoder.prepare(version(0)), decoder.prepare(version(0)), decoder.prepare(version(1))]);
    expect(decoder.prepare(version(0))).toBeUndefined();
    expect(decoder.decode(oldBytes, version(0))).toEqual({ a: 'x', b: 'new' });
    expect(decoder.decode(newBytes, version(1))).toEqual({ a: 'x', b: 'y' });
    expect(decoder.decode(newBytes, undefined)).toEqual({ a: 'x', b: 'y' });
    expect(lookup.asked).toEqual([0, 1]);
  });

  it('asks for nothing where the bytes alone suffice', () => {
    const lookup = lookupOf({});
    const decoder = createTopicDecoder({ schema: Schema.string(), topic: 't', lookup });
    expect(decoder.prepare(version(0))).toBeUndefined();
    expect(decoder.decode(Buffer.from('x'), version(0))).toBe('x');
    expect(lookup.asked).toEqual([]);
  });

  it.each([
    ['that the broker does not have', undefined],
    ['of another type', brokerSchema(oldDefinition, 2)],
    ['that cannot be read', brokerSchema(record({ name: 'a', type: 'int' }))],
  ])('refuses a message of a version %s, and no other', async (_name, answer) => {
    const lookup = lookupOf({ 0: answer, 1: brokerSchema(oldDefinition) });
    const decoder = createTopicDecoder({ schema: reader, topic: 't', lookup });
    await decoder.prepare(version(0));
    await decoder.prepare(version(1));
    expect(() => decoder.decode(oldBytes, version(0))).toThrow(expect.objectContaining({ code: 'INCOMPATIBLE_SCHEMA' }));
    expect(decoder.decode(oldBytes, version(1))).toEqual({ a: 'x', b: 'new' });
    expect(decoder.prepare(version(0))).toBeUndefined();
  });

  it('asks again after a failure that may pass', async () => {
    const answers: Record<number, BrokerSchema | Error> = { 0: new PulsarError('TIMEOUT', 'no answer') };
    const lookup = lookupOf(answers);
    const decoder = createTopicDecoder({ schema: reader, topic: 't', lookup });
    await decoder.prepare(version(0));
    expect(() => decoder.decode(oldBytes, version(0))).toThrow(expect.objectContaining({ code: 'TIMEOUT' }));
    answers[0] = brokerSchema(oldDefinition);
    await decoder.prepare(version(0));
    expect(decoder.decode(oldBytes, version(0))).toEqual({ a: 'x', b: 'new' });
  });
});
