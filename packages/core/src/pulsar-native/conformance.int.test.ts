import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../clock/system-clock.ts';
import { freshName, type RealBroker, realBroker } from '../pulsar/test-support.ts';
import { brokerCases } from '../testing/broker-cases.ts';
import { type BrokerUnderTest, brokerAbilities } from '../testing/broker-subject.ts';
import { bindCases } from '../testing/conformance.ts';
import { createPulsarNativeBroker, type PulsarNativeBroker } from './broker.ts';
import { addonName, addonUnderTest } from './test-support.ts';

let real: RealBroker;
beforeAll(async () => {
  real = await realBroker();
});

interface Subject extends BrokerUnderTest {
  end(): Promise<void>;
}

const make = (): PulsarNativeBroker => createPulsarNativeBroker({ serviceUrl: real.serviceUrl, addon: addonUnderTest });

async function open(): Promise<Subject> {
  let broker = make();
  return {
    get broker(): PulsarNativeBroker {
      return broker;
    },
    clock: systemClock,
    uniqueName: freshName,
    restart: async () => {
      await broker.close();
      await real.restart();
      broker = make();
    },
    end: () => broker.close(),
  };
}

const abilities = ['delayedDelivery', 'seekByTime', 'deadLetter', 'durable'];

describe(`the broker on ${addonName} keeps what the port promises`, () => {
  const bound = bindCases<Subject>(brokerCases, { abilities: [...abilities, 'restart'], open, close: (subject) => subject.end() });
  for (const { name, skip, run } of bound) {
    // Pulsar promises no more than at least once: a broker that is stopped forgets at times what it had confirmed just before.
    it.skipIf(skip !== undefined)(name, { retry: name.startsWith('after a restart exactly') ? 1 : 0 }, run);
  }

  it('declares just the abilities that it is tested for', async () => {
    await using broker = make();
    expect(brokerAbilities(broker).sort()).toEqual([...abilities].sort());
  });
});
