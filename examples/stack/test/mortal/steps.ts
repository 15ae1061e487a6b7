import type { Broker, BrokerProducer, BrokerSubscription } from '@paystream/core';
import type { Database, Transaction } from '@paystream/core/sql';
import type { Channel } from '@paystream/notify';
import type { Gateway } from '@paystream/payment';
import type { PortDecorators } from '../../src/engine/decorators.ts';

/** Hears between which two steps a process is: `after send to orders`. */
export type AtStep = (step: string) => void;

/** Reads what statements write: `INSERT orders`. */
function createWrites({ tables }: Database): (sql: string) => string | undefined {
  const prefix = tables('');
  const known = new Map<string, string | undefined>();
  const read = (sql: string): string | undefined => {
    const found = /^\s*(INSERT|UPDATE|DELETE)\b(?:.*?\b(?:INTO|FROM))?\s+[`"]?(\w+)/is.exec(sql);
    return found?.[2]?.startsWith(prefix) ? `${found[1]} ${found[2].slice(prefix.length)}` : undefined;
  };
  return (sql) => {
    if (!known.has(sql)) known.set(sql, read(sql));
    return known.get(sql);
  };
}

function database(given: Database, at: AtStep): Database {
  const writeOf = createWrites(given);
  return {
    ...given,
    transaction: (work, options) =>
      given.transaction(async (tx) => {
        const writes = new Set<string>();
        const note = (sql: string): void => {
          const write = writeOf(sql);
          if (write !== undefined) writes.add(write);
        };
        // The first to be called: whatever is to happen after the commit has not begun.
        tx.onCommit(() => {
          for (const write of writes) at(`after commit of ${write}`);
        });
        const noted: Transaction = {
          execute: (sql, parameters) => {
            note(sql);
            return tx.execute(sql, parameters);
          },
          executeMany: (sql, rows) => {
            note(sql);
            return tx.executeMany(sql, rows);
          },
          onCommit: (callback, unknown) => tx.onCommit(callback, unknown),
        };
        const result = await work(noted);
        for (const write of writes) at(`before commit of ${write}`);
        return result;
      }, options),
  };
}

async function around<T>(at: AtStep, call: string, work: () => Promise<T>): Promise<T> {
  at(`before ${call}`);
  const result = await work();
  at(`after ${call}`);
  return result;
}

function producer(given: BrokerProducer, at: AtStep): BrokerProducer {
  const call = `send to ${given.topic}`;
  return {
    ...given,
    send: (message) => around(at, call, () => given.send(message)),
    sendAll: (messages) => around(at, call, () => given.sendAll(messages)),
  };
}

function subscription(given: BrokerSubscription, at: AtStep): BrokerSubscription {
  const call = `acknowledge of ${given.topic}`;
  return { ...given, acknowledge: (messages) => around(at, call, () => given.acknowledge(messages)) };
}

function broker(given: Broker, at: AtStep): Broker {
  return {
    ...given,
    createProducer: async (options) => producer(await given.createProducer(options), at),
    subscribe: async (options) => subscription(await given.subscribe(options), at),
  };
}

function gateway(given: Gateway, at: AtStep): Gateway {
  const { lookup, refund, listCharges } = given;
  return {
    name: given.name,
    abilities: given.abilities,
    charge: (request) => around(at, 'charge', () => given.charge(request)),
    ...(lookup && { lookup: (key, signal) => around(at, 'lookup', () => lookup.call(given, key, signal)) }),
    ...(refund && { refund: (request) => around(at, 'refund', () => refund.call(given, request)) }),
    ...(listCharges && { listCharges: (period) => listCharges.call(given, period) }),
  };
}

function channel(given: Channel, at: AtStep): Channel {
  const { deliverAll } = given;
  return {
    ...given,
    deliver: (message, context) => around(at, 'deliver', () => given.deliver(message, context)),
    ...(deliverAll && { deliverAll: (messages, context) => around(at, 'deliver', () => deliverAll.call(given, messages, context)) }),
  };
}

/**
 * Ports that tell between which two steps a process is: `before` and `after`
 * - `commit of INSERT orders`, for each kind of row that a transaction writes, under the table's name without its prefix;
 * - `send to TOPIC`, `acknowledge of TOPIC`;
 * - `charge`, `lookup`, `refund`: calls to the gateway; after means that it has answered;
 * - `deliver`: messages to people.
 */
export function tellSteps(at: AtStep): PortDecorators {
  return {
    broker: (given) => broker(given, at),
    database: (given) => database(given, at),
    gateway: (given) => gateway(given, at),
    channel: (given) => channel(given, at),
  };
}
