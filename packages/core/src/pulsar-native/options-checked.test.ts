import { describe, expect, it } from 'vitest';
import { addonShim } from './addon-shim.fixture.ts';
import { createPulsarNativeBroker } from './broker.ts';
import type { PulsarNativeAdapterOptions } from './options.ts';

const make = (options: PulsarNativeAdapterOptions): unknown =>
  createPulsarNativeBroker({ serviceUrl: 'pulsar://localhost:6650', addon: addonShim, ...options });
const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT', reason: 'BAD_OPTIONS' });

describe('an option is refused', () => {
  it.each([0, -1, 1.5, Number.NaN, 2 ** 31, '10'])('with which every send would wait for ever or be refused: maxPendingMessages %s', (wrong) => {
    expect(() => make({ producer: { maxPendingMessages: wrong as number } })).toThrow(refused);
  });
});
