import type { Broker, BrokerProducer } from '../broker/port.ts';
import type { Logger } from '../logger/port.ts';

/** Producers by topic, made when first needed. */
export interface ProducerCache {
  get(topic: string): Promise<BrokerProducer>;
  /** Closes this producer of a topic; the next one is new. Nothing if it has been replaced already. */
  drop(topic: string, producer: Promise<BrokerProducer>): void;
  /** Makes those of topics; rejects if one of them cannot be made. It is tried again when it is needed. */
  prepare(topics: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Makes the producers of an outbox. */
export function createProducerCache(broker: Broker, logger: Logger): ProducerCache {
  const producers = new Map<string, Promise<BrokerProducer>>();
  const close = async (topic: string, producer: Promise<BrokerProducer>): Promise<void> => {
    try {
      await (await producer).close();
    } catch (error) {
      // It never came to be, or the broker is away: either way it is of no use any more.
      logger.debug({ topic, err: error }, 'a producer of the outbox could not be closed');
    }
  };
  const get = (topic: string): Promise<BrokerProducer> => {
    let producer = producers.get(topic);
    if (producer === undefined) {
      producer = broker.createProducer({ topic });
      producers.set(topic, producer);
    }
    return producer;
  };
  const drop = (topic: string, producer: Promise<BrokerProducer>): void => {
    if (producers.get(topic) !== producer) return;
    producers.delete(topic);
    void close(topic, producer);
  };
  const prepareOne = async (topic: string): Promise<void> => {
    const producer = get(topic);
    try {
      await producer;
    } catch (error) {
      drop(topic, producer);
      throw error;
    }
  };
  return {
    get,
    drop,
    prepare: async (topics) => {
      await Promise.all(topics.map(prepareOne));
    },
    close: async () => {
      const all = [...producers];
      producers.clear();
      await Promise.all(all.map(([topic, producer]) => close(topic, producer)));
    },
  };
}
