import { createPulsarAdmin } from '@paystream/pulsar/admin';
import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../clock/system-clock.ts';
import { brokerCases } from '../testing/broker-cases.ts';
import { type BrokerUnderTest, brokerAbilities } from '../testing/broker-subject.ts';
import { bindCases } from '../testing/conformance.ts';
import { createPulsarBroker, type PulsarBroker } from './broker.ts';
import { freshName, type RealBroker, realBroker } from './test-support.ts';

let real: RealBroker;
beforeAll(async () => {
  real = await realBroker();
});

interface Subject extends BrokerUnderTest {
  end(): Promise<void>;
}

async function open(): Promise<Subject> {
  let broker = createPulsarBroker({ serviceUrl: real.serviceUrl });
  return {
    get broker(): PulsarBroker {
      return broker;
    },
    clock: systemClock,
    uniqueName: freshName,
    restart: async () => {
      await broker.close();
      await real.restart();
      broker = createPulsarBroker({ serviceUrl: real.serviceUrl });
    },
    end: () => broker.close(),
  };
}

const abilities = ['delayedDelivery', 'seekByTime', 'deadLetter', 'backlog', 'acknowledgementReceipts', 'durable'];

describe('the broker on Pulsar keeps what the port promises', () => {
  const bound = bindCases<Subject>(brokerCases, {
    abilities: [...abilities, 'restart', 'noneAhead'],
    open,
    close: (subject) => subject.end(),
  });
  for (const { name, skip, run } of bound) {
    // Pulsar promises no more than at least once: a broker that is stopped forgets at times what it had confirmed just before.
    it.skipIf(skip !== undefined)(name, { retry: name.startsWith('after a restart exactly') ? 1 : 0 }, run);
  }

  it('declares just the abilities that it is tested for', async () => {
    await using broker = createPulsarBroker({ serviceUrl: real.serviceUrl });
    expect(brokerAbilities(broker).sort()).toEqual([...abilities].sort());
  });
});

describe('a ping', () => {
  it('is answered where the broker makes no topic by itself, as production clusters are set', async () => {
    const { namespaces } = createPulsarAdmin({ url: real.adminUrl });
    const namespace = `public/${freshName('strict')}`;
    await namespaces.create(namespace);
    await namespaces.setAutoTopicCreation(namespace, { allowed: false });
    await using broker = createPulsarBroker({ serviceUrl: real.serviceUrl, namespace });
    await broker.ping();
  });

  it('that is not answered in time says what the client fails by', async () => {
    await using broker = createPulsarBroker({ serviceUrl: 'pulsar://127.0.0.1:1', pingTimeoutMs: 500 });
    const pinged = expect(broker.ping()).rejects;
    await pinged.toMatchObject({ reason: 'PULSAR_TIMEOUT', message: expect.stringContaining('ECONNREFUSED') });
  });

  it('says so where the namespace is missing', async () => {
    await using broker = createPulsarBroker({ serviceUrl: real.serviceUrl, namespace: 'public/nowhere' });
    await expect(broker.ping()).rejects.toMatchObject({ code: 'NOT_FOUND', message: expect.stringMatching(/namespace/i) });
  });
});
