import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { IncomingMessage } from '../broker/port.ts';
import { MoneySchema } from '../gen/paystream/type/v1/money_pb.ts';
import { type Envelope, openEnvelope, sealMessage } from './envelope.ts';
import { json } from './json-codec.ts';
import { protobuf } from './protobuf-codec.ts';
import { defineTopic, renameTopic } from './topic.ts';

const undecodable = expect.objectContaining({ code: 'INVALID_ARGUMENT', reason: 'UNDECODABLE' });
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('json codec', () => {
  const codec = json(z.object({ id: z.string().min(1), lines: z.array(z.object({ quantity: z.number().int().default(1) })) }));

  it('decodes what it encodes, with the schema applied', () => {
    expect(codec.decode(codec.encode({ id: 'ü', lines: [{}] }))).toEqual({ id: 'ü', lines: [{ quantity: 1 }] });
  });

  it('names each field that is wrong when it encodes', () => {
    expect(() => codec.encode({ id: '', lines: [{ quantity: 1.5 }] })).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        reason: 'INVALID_MESSAGE',
        violations: [expect.objectContaining({ field: 'id' }), expect.objectContaining({ field: 'lines.0.quantity' })],
      }),
    );
  });

  it.each([bytes(''), bytes('{'), bytes('{"id":1}'), Uint8Array.of(0xff), bytes('null')])('does not decode other bytes: %s', (payload) => {
    expect(() => codec.decode(payload)).toThrow(undecodable);
  });

  it('refuses a schema that would need to wait', () => {
    const waits = json(z.object({}).refine(async () => true));
    expect(() => waits.encode({})).toThrow(expect.objectContaining({ code: 'UNSUPPORTED', reason: 'ASYNC_SCHEMA' }));
  });
});

describe('protobuf codec', () => {
  const codec = protobuf(MoneySchema);

  it('decodes what it encodes', () => {
    fc.assert(
      fc.property(fc.string(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (currency, units) => {
        const value = create(MoneySchema, { currency: currency.toWellFormed(), units });
        expect(codec.decode(codec.encode(value))).toEqual(value);
      }),
    );
  });

  it('either decodes any bytes or says that it cannot, and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (payload) => {
        try {
          codec.decode(payload);
        } catch (error) {
          expect(error).toEqual(undecodable);
        }
      }),
    );
    expect(() => codec.decode(Uint8Array.of(0x0a, 0x7f, 1))).toThrow(undecodable);
  });

  it('refuses a value that is out of range, saying of what', () => {
    expect(() => codec.encode(create(MoneySchema, { units: 2n ** 64n }))).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        reason: 'INVALID_MESSAGE',
        message: expect.stringContaining('paystream.type.v1.Money'),
      }),
    );
  });
});

describe('envelope', () => {
  const topic = defineTopic({ name: 'things', codec: json(z.object({ id: z.string() })), key: (thing) => thing.id });
  const received = (message: Partial<IncomingMessage>): IncomingMessage => ({
    id: '17',
    topic: 'things',
    payload: new Uint8Array(),
    key: undefined,
    properties: {},
    eventTimeMs: undefined,
    publishTimeMs: 99,
    redeliveryCount: 0,
    ...message,
  });

  it('comes out as it went in', () => {
    fc.assert(
      fc.property(
        fc.record({
          eventId: fc.string({ minLength: 1 }),
          occurredAtMs: fc.nat(),
          correlationId: fc.option(fc.string(), { nil: undefined }),
          traceparent: fc.option(fc.string(), { nil: undefined }),
        }),
        (envelope: Envelope) => {
          const sealed = sealMessage(topic, { id: 'k' }, envelope);
          expect(sealed.key).toBe('k');
          expect(openEnvelope(received({ properties: sealed.properties ?? {}, eventTimeMs: sealed.eventTimeMs }))).toEqual(envelope);
        },
      ),
    );
  });

  it('of a message of another program is its place in the topic, the same at each delivery', () => {
    const envelope = openEnvelope(received({}));
    expect(envelope).toMatchObject({ eventId: 'things@17', occurredAtMs: 99 });
    expect(openEnvelope(received({ redeliveryCount: 3 })).eventId).toBe(envelope.eventId);
  });

  it('stays with the contract when a topic gets another name', () => {
    const renamed = renameTopic(topic, 'persistent://shop/eu/things');
    expect(renamed).toEqual({ ...topic, name: 'persistent://shop/eu/things' });
  });
});
