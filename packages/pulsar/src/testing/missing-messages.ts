import { readFile } from 'node:fs/promises';
import { createAdminHttp, path } from '../admin/http.ts';
import { createPulsarAdmin } from '../admin/index.ts';
import { parseTopicName } from '../lookup/topic-name.ts';
import type { RealBroker } from './test-support.ts';

const logLines = 20;

/** How a topic that is not partitioned stands at the broker, as JSON. What cannot be asked says why. */
async function stateOf(broker: RealBroker, topic: string): Promise<string> {
  const { topics } = createPulsarAdmin({ url: broker.adminUrl });
  const { namespace, localName } = parseTopicName(topic);
  const transactions = path('transactionBufferStats', namespace, localName);
  const asked = {
    stats: topics.stats(topic),
    internalStats: topics.internalStats(topic),
    // Nothing is delivered before its state is Ready or NoSnapshot, nor beyond its maxReadPosition.
    transactionBuffer: createAdminHttp({ url: broker.adminUrl }).json({ method: 'GET', path: `//admin/v3/transactions${transactions}` }),
  };
  const outcomes = await Promise.allSettled(Object.values(asked));
  const told = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : String(outcome.reason)));
  return JSON.stringify({ topic, ...Object.fromEntries(Object.keys(asked).map((name, at) => [name, told[at]])) }, null, 1);
}

async function endOfLog({ logFile }: RealBroker): Promise<string> {
  if (logFile === undefined) return 'is elsewhere';
  const text = await readFile(logFile, 'utf8').catch(String);
  return text.trimEnd().split('\n').slice(-logLines).join('\n');
}

/**
 * The messages, if so many came as were waited for. Rejects otherwise with how the topic stands at the broker (statistics,
 * ledgers, cursors, permits, transactions) and the end of the broker's log.
 */
export async function allOf<T>(messages: readonly T[], count: number, topic: string, broker: RealBroker): Promise<readonly T[]> {
  if (messages.length >= count) return messages;
  const { topics } = createPulsarAdmin({ url: broker.adminUrl });
  const partitions = await topics.partitions(topic).catch(() => 0);
  const names = partitions === 0 ? [topic] : Array.from({ length: partitions }, (_, at) => `${topic}-partition-${at}`);
  const states = await Promise.all(names.map((name) => stateOf(broker, name)));
  throw new Error(
    `${messages.length} of ${count} messages of ${topic} came.\n${states.join('\n')}\nThe broker's log:\n${await endOfLog(broker)}`,
  );
}
