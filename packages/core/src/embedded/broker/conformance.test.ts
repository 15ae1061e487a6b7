import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Broker } from '../../broker/port.ts';
import { brokerCases } from '../../testing/broker-cases.ts';
import { type BrokerUnderTest, brokerAbilities } from '../../testing/broker-subject.ts';
import { bindCases } from '../../testing/conformance.ts';
import { createVirtualClock, type VirtualClock } from '../../testing/virtual-clock.ts';
import { createEmbeddedBroker, type EmbeddedBroker } from './broker.ts';
import type { EmbeddedBrokerOptions } from './options.ts';

interface Subject extends BrokerUnderTest {
  end(): Promise<void>;
}

async function openSubject(clock: VirtualClock, options: EmbeddedBrokerOptions, clean: () => void = () => undefined): Promise<Subject> {
  let broker: EmbeddedBroker = await createEmbeddedBroker({ ...options, clock });
  let names = 0;
  return {
    get broker(): Broker {
      return broker;
    },
    clock,
    uniqueName: (prefix) => `${prefix}-${++names}`,
    restart: async () => {
      await broker.close();
      broker = await createEmbeddedBroker({ ...options, clock });
    },
    end: async () => {
      await broker.close();
      clean();
    },
  };
}

/** Time passes only while a case waits: no case takes longer than its work. */
function bindInVirtualTime(abilities: readonly string[], open: (clock: VirtualClock) => Promise<Subject>): void {
  let clock = createVirtualClock();
  const bound = bindCases<Subject>(brokerCases, { abilities, open: () => open(clock), close: (subject) => subject.end() });
  for (const { name, skip, run } of bound) {
    it.skipIf(skip !== undefined)(name, async () => {
      clock = createVirtualClock({ quietTurns: 2 });
      let done = false;
      const running = run().finally(() => {
        done = true;
      });
      // The clock to its end first: one that still runs would keep the next case's from coming to rest.
      await Promise.all([Promise.allSettled([running]), clock.runUntil(() => done)]);
      await running;
    });
  }
}

const abilities = ['delayedDelivery', 'seekByTime', 'deadLetter', 'backlog', 'acknowledgementReceipts'];

describe('the embedded broker in memory keeps what the port promises', () => {
  bindInVirtualTime([...abilities, 'departureCount', 'noneAhead'], (clock) => openSubject(clock, {}));

  it('declares just the abilities that it is tested for', async () => {
    await using broker = await createEmbeddedBroker();
    expect(brokerAbilities(broker).sort()).toEqual([...abilities].sort());
  });
});

async function openFile(clock: VirtualClock, options: EmbeddedBrokerOptions): Promise<Subject> {
  const directory = mkdtempSync(join(tmpdir(), 'paystream-broker-'));
  return openSubject(clock, { ...options, path: join(directory, 'broker.db') }, () => rmSync(directory, { recursive: true }));
}

describe('the embedded broker in a file keeps what the port promises', () => {
  bindInVirtualTime([...abilities, 'durable', 'restart', 'departureCount', 'noneAhead'], (clock) => openFile(clock, {}));
});

describe('the embedded broker in a file keeps what the port promises while it reads everything back from the file', () => {
  bindInVirtualTime([...abilities, 'durable', 'restart', 'departureCount', 'noneAhead'], (clock) => openFile(clock, { cacheBytes: 0 }));
});
