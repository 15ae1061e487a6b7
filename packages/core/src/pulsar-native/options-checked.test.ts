import { describe, expect, it } from 'vitest';
import { addonShim } from './addon-shim.fixture.ts';
import { createPulsarNativeBroker } from './broker.ts';
import type { PulsarNativeAdapterOptions } from './options.ts';
import { checkedProducer } from './options-checked.ts';

const make = (options: PulsarNativeAdapterOptions): unknown =>
  createPulsarNativeBroker({ serviceUrl: 'pulsar://localhost:6650', addon: addonShim, ...options });
const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT', reason: 'BAD_OPTIONS' });

describe('an option is refused', () => {
  it.each([0, -1, 1.5, Number.NaN, 2 ** 31, '10'])(
    'with which every send would wait for ever or be refused: maxPendingMessages %s',
    (wrong) => {
      expect(() => make({ producer: { maxPendingMessages: wrong as number } })).toThrow(refused);
    },
  );

  it.each([
    { chunkingEnabled: true, batchingEnabled: true },
    { batchingMaxMessages: 1 },
    { batchingMaxMessages: 1.5 },
    { batchingMaxMessages: 0, batchingEnabled: false },
  ])('that would end the process when a producer is made: %o', (producer) => {
    expect(() => make({ producer })).toThrow(refused);
  });

  it.each<{ why: string; stickyRanges: { start: number; end: number }[] }>([
    { why: 'none', stickyRanges: [] },
    { why: 'below the hashes', stickyRanges: [{ start: -1, end: 5 }] },
    { why: 'beyond them', stickyRanges: [{ start: 0, end: 65_536 }] },
    { why: 'turned round', stickyRanges: [{ start: 7, end: 6 }] },
    { why: 'no integers', stickyRanges: [{ start: 0, end: 0.5 }] },
    { why: 'without an end', stickyRanges: [{ start: 0 } as { start: number; end: number }] },
    { why: 'one over another', stickyRanges: [100, 0].map((start) => ({ start, end: start + 100 })) },
  ])('that would end the process when a consumer is made: sticky ranges, $why', ({ stickyRanges }) => {
    expect(() => make({ consumer: { keySharedPolicy: { keyShareMode: 'Sticky', stickyRanges } } })).toThrow(refused);
  });
});

describe('options', () => {
  it('that can be are taken', () => {
    const stickyRanges = [
      { start: 101, end: 65_535 },
      { start: 0, end: 100 },
    ];
    make({ producer: { batchingMaxMessages: 2 }, consumer: { keySharedPolicy: { keyShareMode: 'Sticky', stickyRanges } } });
    make({ producer: { chunkingEnabled: true, batchingEnabled: false }, consumer: { keySharedPolicy: { keyShareMode: 'AutoSplit' } } });
  });

  it('that ask for chunks have batches left out, which the addon does not do together', () => {
    expect(checkedProducer({ chunkingEnabled: true })).toEqual({ chunkingEnabled: true, batchingEnabled: false });
  });
});
