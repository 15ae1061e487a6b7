import { describe, expect, it } from 'vitest';
import { createPulsarNativeBroker } from './broker.ts';
import { loadAddon } from './load.ts';

const failing = (error: Error) => async (): Promise<never> => {
  throw error;
};

// Where the install script of the package is on, it does.
const loads = await import('pulsar-client').then(
  () => true,
  () => false,
);

describe('a process that cannot load the addon', () => {
  it('names the package to install if that is missing', async () => {
    const error = Object.assign(new Error("Cannot find package 'pulsar-client'"), { code: 'ERR_MODULE_NOT_FOUND' });
    await expect(loadAddon(failing(error))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'PACKAGE_MISSING',
      retryable: false,
      message: 'this broker needs a package that is not installed: npm install pulsar-client',
    });
  });

  it('says how to get the binary, or do without, if only that is missing', async () => {
    const error = Object.assign(new Error("Cannot find module '/app/lib/binding/pulsar.node'\nRequire stack:"), {
      code: 'MODULE_NOT_FOUND',
    });
    await expect(loadAddon(failing(error))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'ADDON_NOT_LOADED',
      message: expect.stringMatching(/pulsar\.node'\. .*npm rebuild pulsar-client.*@paystream\/core\/pulsar/),
      cause: error,
    });
  });

  it.skipIf(loads)('learns it from the first thing that it asks of the broker', async () => {
    await using broker = createPulsarNativeBroker({ serviceUrl: 'pulsar://127.0.0.1:1' });
    await expect(broker.ping()).rejects.toMatchObject({ reason: 'ADDON_NOT_LOADED' });
    await expect(broker.createProducer({ topic: 't' })).rejects.toMatchObject({ reason: 'ADDON_NOT_LOADED' });
  });
});
