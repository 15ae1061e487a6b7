import { inject } from 'vitest';
import { addonShim } from './addon-shim.fixture.ts';
import type { Addon } from './options.ts';

declare module 'vitest' {
  interface ProvidedContext {
    pulsarAddon: boolean;
  }
}

const real = inject('pulsarAddon');

/** What the tests on a real broker run on: the addon itself if `PAYSTREAM_NATIVE_PULSAR` is 1, or what stands for it. */
export const addonUnderTest: Addon | undefined = real ? undefined : addonShim;

/** What to call it. */
export const addonName: string = real ? 'the addon' : 'the shim of the addon';
