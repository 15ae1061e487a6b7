import type { Broker, BrokerProducer, BrokerSubscription, Clock } from '@paystream/core';
import type { Database, Transaction } from '@paystream/core/sql';
import type { Gateway } from '../gateway/port.ts';

/** What a process has of the world. */
export interface ProcessPorts {
  readonly database: Database;
  readonly broker: Broker;
  readonly gateway: Gateway;
  readonly clock: Clock;
}

/** A process that can be killed between any two of its steps. */
export interface MortalProcess extends ProcessPorts {
  readonly dead: boolean;
  /** How many steps it has made. */
  readonly steps: number;
  /** From now on nothing that it does has an effect, and nothing comes back to it; what it held at the broker is given back. */
  kill(): void;
}

const never = new Promise<never>(() => undefined);

/**
 * Puts a process between a world and what runs in it. Its steps are: a transaction before it begins and after it has
 * committed, a call to the gateway before it leaves and after the gateway has done it, an acknowledgement and a publish, each
 * before and after. It dies at step `dieAt`.
 */
export function mortal(world: ProcessPorts, dieAt?: number): MortalProcess {
  let dead = false;
  let steps = 0;
  const subscriptions: BrokerSubscription[] = [];

  const kill = (): void => {
    if (dead) return;
    dead = true;
    for (const subscription of subscriptions) void subscription.close();
  };
  /** Makes a step; gives whether the process has died at it, or was dead before. */
  const dies = (): boolean => {
    if (dead) return true;
    steps += 1;
    if (steps === dieAt) kill();
    return dead;
  };
  const around = async <T>(work: () => Promise<T>): Promise<T> => {
    if (dies()) return never;
    const result = await work().catch((error: unknown) => (dead ? never : Promise.reject(error)));
    return dies() ? never : result;
  };
  const alive = async <T>(work: () => Promise<T>): Promise<T> => {
    if (dead) return never;
    const result = await work().catch((error: unknown) => (dead ? never : Promise.reject(error)));
    return dead ? never : result;
  };

  const database: Database = {
    ...world.database,
    transaction: async (work, options) => {
      if (dies()) return never;
      const guarded = async (tx: Transaction) => {
        if (dead) throw new Error('the process died before its transaction began');
        tx.onCommit(() => void dies());
        return work({
          execute: (sql, parameters) => tx.execute(sql, parameters),
          executeMany: (sql, rows) => tx.executeMany(sql, rows),
          onCommit: (callback) => tx.onCommit(() => (dead ? undefined : callback())),
        });
      };
      const result = await world.database.transaction(guarded, options).catch((error: unknown) => (dead ? never : Promise.reject(error)));
      return dead ? never : result;
    },
    query: (...call) => alive(() => world.database.query(...call)),
    migrate: (migrations, mode) => alive(() => world.database.migrate(migrations, mode)),
  };

  const broker: Broker = {
    ...world.broker,
    createProducer: async (options) => {
      const producer = await alive(() => world.broker.createProducer(options));
      const guarded: BrokerProducer = {
        topic: producer.topic,
        send: (message) => around(() => producer.send(message)),
        sendAll: (messages) => around(() => producer.sendAll(messages)),
        flush: () => alive(() => producer.flush()),
        close: () => alive(() => producer.close()),
      };
      return guarded;
    },
    subscribe: async (options) => {
      const subscription = await alive(() => world.broker.subscribe(options));
      subscriptions.push(subscription);
      const guarded: BrokerSubscription = {
        ...subscription,
        receive: (max, signal) => alive(() => subscription.receive(max, signal)),
        acknowledge: (messages) => around(() => subscription.acknowledge(messages)),
        negativeAcknowledge: (messages, delayMs) => (dead ? undefined : subscription.negativeAcknowledge(messages, delayMs)),
      };
      return guarded;
    },
  };

  const { gateway: real } = world;
  const gateway: Gateway = {
    name: real.name,
    abilities: real.abilities,
    charge: (request) => around(() => real.charge(request)),
    ...(real.lookup && { lookup: (key, signal) => around(() => (real.lookup as NonNullable<Gateway['lookup']>)(key, signal)) }),
    ...(real.refund && { refund: (request) => around(() => (real.refund as NonNullable<Gateway['refund']>)(request)) }),
    ...(real.listCharges && { listCharges: (period) => (real.listCharges as NonNullable<Gateway['listCharges']>)(period) }),
  };

  const clock: Clock = {
    now: () => world.clock.now(),
    monotonic: () => world.clock.monotonic(),
    setTimer: (delayMs, callback, options) => world.clock.setTimer(delayMs, () => (dead ? undefined : callback()), options),
    sleep: (delayMs, signal) => alive(() => world.clock.sleep(delayMs, signal)),
  };

  return {
    database,
    broker,
    gateway,
    clock,
    get dead() {
      return dead;
    },
    get steps() {
      return steps;
    },
    kill,
  };
}
