import { beforeEach, describe, expect, it } from 'vitest';
import { createProducer } from './create-producer.ts';
import type { ProducerMessage } from './message.ts';
import type { ProducerOptions } from './options.ts';
import { fakeTime, fakeWorld, outcomeOf, pass, ready, sendAll } from './test-support.ts';

beforeEach(fakeTime);

async function metadataOf(message: ProducerMessage) {
  const { world, producer } = await ready({ batching: false });
  sendAll(producer, [message]);
  const [sent] = world.connection.sent;
  return { ...sent!.metadata, text: sent!.messages[0]?.text };
}

describe('9.3.51 a message', () => {
  it('without a value is not the same as one with an empty value', async () => {
    expect(await metadataOf({ value: null })).toMatchObject({ nullValue: true, text: '' });
    expect(await metadataOf({ value: '' })).toMatchObject({ nullValue: undefined, text: '' });
  });

  it('without a key is not the same as one with an empty key or none said', async () => {
    expect(await metadataOf({ value: 'a', key: null })).toMatchObject({ nullPartitionKey: true, partitionKey: undefined });
    expect(await metadataOf({ value: 'a', key: '' })).toMatchObject({ nullPartitionKey: undefined, partitionKey: '' });
    expect(await metadataOf({ value: 'a' })).toMatchObject({ nullPartitionKey: undefined, partitionKey: undefined });
  });

  it('with bytes as key says that it is base64', async () => {
    const padded = Buffer.from([9, 0x00, 0xff, 0x80, 0x7f, 0x01, 9]).subarray(1, 6);
    expect(await metadataOf({ value: 'a', key: padded })).toMatchObject({ partitionKey: 'AP+AfwE=', partitionKeyB64Encoded: true });
    expect(await metadataOf({ value: 'a', key: new Uint8Array() })).toMatchObject({ partitionKey: '', partitionKeyB64Encoded: true });
    expect(await metadataOf({ value: 'a', key: 'AP+AfwE=' })).toMatchObject({ partitionKeyB64Encoded: undefined });
  });

  it('says the same inside a batch', async () => {
    const { world, producer } = await ready();
    sendAll(producer, [
      { value: null, key: null },
      { value: 'b', key: Buffer.from([1]) },
    ]);
    await pass(1);
    const { payload } = world.connection.sent[0]!;
    // null_value and null_partition_key of the first, partition_key_b64_encoded of the second.
    expect(payload.toString('hex')).toContain('48015001');
    expect(payload.toString('hex')).toContain('3001');
  });

  it('is bytes or text by itself', async () => {
    const { world, producer } = await ready({ batching: false });
    sendAll(producer, ['text', Buffer.from('bytes'), new Uint8Array([0x68, 0x69])]);
    expect(world.connection.sent.map(({ messages }) => messages[0]?.text)).toEqual(['text', 'bytes', 'hi']);
  });

  it('goes to the clusters that it says, or to none', async () => {
    expect((await metadataOf({ value: 'a', replicateTo: ['east', 'west'] })).replicateTo).toEqual(['east', 'west']);
    expect((await metadataOf({ value: 'a', replicateTo: [] })).replicateTo).toEqual(['__local__']);
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a number', 5],
    ['no value', { key: 'a' }],
    ['both delays', { value: 'a', deliverAtMs: 1, deliverAfterMs: 1 }],
    ['a negative delay', { value: 'a', deliverAfterMs: -1 }],
    ['half a sequence id', { value: 'a', sequenceId: 0.5 }],
    ['an event before time', { value: 'a', eventTimeMs: -1 }],
    ['a transaction of somebody else', { value: 'a', transaction: { state: 'open' } }],
  ])('that is %s is refused, and takes no room', async (_, message) => {
    const { producer } = await ready();
    expect(await outcomeOf(producer.send(message as string))).toBe('INVALID_ARGUMENT');
    expect(producer.pendingMessages).toBe(0);
  });

  it('whose value needs a schema is refused without one', async () => {
    const { producer } = await ready();
    expect(await outcomeOf(producer.send({ value: { id: 1 } as never }))).toBe('INVALID_MESSAGE');
  });
});

describe('options that make no sense', () => {
  it.each<[string, Partial<ProducerOptions>]>([
    ['batching.maxMessages', { batching: { maxMessages: 0 } }],
    ['batching.maxDelayMs', { batching: { maxDelayMs: -1 } }],
    ['maxPendingMessages', { maxPendingMessages: 0 }],
    ['sendTimeoutMs', { sendTimeoutMs: Number.NaN }],
    ['initialSequenceId', { initialSequenceId: -1 }],
    ['compression', { compression: 'brotli' as 'zstd' }],
    ['accessMode', { accessMode: 'mine' as 'shared' }],
    ['topic', { topic: 'a/b' }],
  ])('are refused by name: %s', async (name, options) => {
    const made = createProducer(fakeWorld().context, { topic: 'orders', ...options });
    await expect(made).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(name.split('.').at(-1) ?? '') });
  });
});
