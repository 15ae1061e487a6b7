import {
  type Consumer,
  createBatcher,
  createConsumer,
  createIdGenerator,
  noTelemetry,
  PaystreamError,
  silentLogger,
  systemClock,
  systemRandom,
} from '@paystream/core';
import { createBusinessLog, paystreamTopics } from '@paystream/core/contracts';
import { createOutbox } from '@paystream/core/sql';
import { checkGateway } from '../gateway/check.ts';
import { wakeAt } from '../payment/payment.ts';
import { paymentPolicy } from '../payment/policy.ts';
import { reconcile } from '../reconcile/reconcile.ts';
import { createRefunds } from '../refund/refunds.ts';
import { paymentMigrations } from '../store/migrations.ts';
import { createPaymentStore } from '../store/store.ts';
import { createAlarm } from './alarm.ts';
import { createDecider, type Decided, type PaymentInput } from './decider.ts';
import { createDriver } from './driver.ts';
import { elapsed } from './elapsed.ts';
import { createGatewayCalls } from './gateway-calls.ts';
import { readOrderEvents } from './intake.ts';
import { createProcessorLease } from './lease.ts';
import { toPaymentMessage } from './messages.ts';
import type { PaymentProcessorOptions } from './options.ts';
import { createPermits } from './permits.ts';
import type { PaymentProcessor } from './port.ts';
import { createRecovery } from './recovery.ts';
import { createWaker } from './waker.ts';

const maxBatch = 256;
/** How often replicas look for what another one left, in milliseconds. */
const pollMs = 1_000;

/**
 * Starts a payment processor: it consumes `orders`, charges each order once through the gateway, and publishes on
 * `transactions` what it decided. Any number of replicas may share a database and a broker.
 *
 * An attempt is stored before its call leaves, so whatever crashes is found again and looked up, never blindly repeated. Who
 * was charged after the payment had closed is given the money back.
 *
 * Throws `INVALID_ARGUMENT` / `INVALID_POLICY`, `UNSUPPORTED` / `GATEWAY_ABILITY_MISSING`, `UNAVAILABLE` if database or broker
 * cannot be reached or the broker refuses one of the topics, `FAILED_PRECONDITION` / `SCHEMA_INCOMPLETE` where a table or column was dropped,
 * `SCHEMA_OUT_OF_DATE` where migrations are only checked.
 *
 * @example
 * const processor = await createPaymentProcessor({ database, broker, gateway, policy: { attempts: 3 } });
 */
export async function createPaymentProcessor(options: PaymentProcessorOptions): Promise<PaymentProcessor> {
  const { database, broker, gateway, clock = systemClock, random = systemRandom } = options;
  const { logger = silentLogger, telemetry = noTelemetry, topics = paystreamTopics() } = options;
  const policy = paymentPolicy(options.policy);
  checkGateway(gateway);
  const { migrations = 'apply' } = options;
  await database.migrate(paymentMigrations, migrations);

  const store = createPaymentStore(database);
  const outbox = options.outbox ?? (await createOutbox({ database, broker, clock, random, logger, telemetry, migrations }));
  const nextId = createIdGenerator(clock, random);
  const log = createBusinessLog({ topic: topics.transactionLogs, service: 'payment', clock, nextId, telemetry });
  const lease = createProcessorLease({ database, clock, random, logger, takeOver: (gone) => recovery.takeOver(gone) });
  const rules = { policy, abilities: gateway.abilities, owner: lease.owner };
  const labels = { gateway: gateway.name };
  const { exclusive } = database;
  const alarm = createAlarm(telemetry, gateway.name);
  const decider = createDecider({ store, outbox, topics, log, rules, clock, telemetry, alarm, exclusive });

  const apply = async (inputs: readonly PaymentInput[]): Promise<readonly Decided[]> => {
    const decided = await database.transaction((tx) => decider.apply(tx, inputs));
    let earliest = Number.POSITIVE_INFINITY;
    for (const one of decided) {
      if (!('refused' in one)) earliest = Math.min(earliest, wakeAt(one.payment) ?? earliest);
    }
    if (earliest !== Number.POSITIVE_INFINITY) waker.arm(earliest);
    return decided;
  };
  // Several batches at once only help where several transactions can be open at once.
  const outcomes = createBatcher({
    name: 'payment-outcomes',
    telemetry,
    traceOf: ({ trace, known }) => trace ?? known?.trace,
    run: apply,
    maxSize: maxBatch,
    concurrency: exclusive ? 1 : 4,
  });
  const record = (input: PaymentInput): Promise<Decided> => outcomes.submit(input);
  // Who shares a transaction with a payment whose row somebody holds waits for it as well.
  const alone = createBatcher({
    name: 'payment-outcomes-alone',
    telemetry,
    traceOf: ({ trace, known }) => trace ?? known?.trace,
    run: apply,
    maxSize: 1,
    concurrency: exclusive ? 1 : 4,
  });
  const recordAlone = (input: PaymentInput): Promise<Decided> => alone.submit(input);
  const calls = createGatewayCalls({ gateway, timeoutMs: policy.callTimeoutMs, clock, logger, telemetry });
  const driver = createDriver({ gateway, calls, clock, logger, record, recordAlone, mayCharge: lease.fresh });
  const tellInFlight = (): void => {
    const inFlight = permits.taken + permits.waiting + recoveryPermits.taken + recoveryPermits.waiting;
    telemetry.gauge('paystream_payment_calls_in_flight', labels, inFlight);
  };
  const permits = createPermits(policy.maxConcurrentCalls, tellInFlight);
  const recoveryPermits = createPermits(policy.maxConcurrentCalls, tellInFlight);
  const recovery = createRecovery({ store, driver, permits: recoveryPermits, logger, telemetry, record, recordAlone });
  const waker = createWaker({
    clock,
    logger,
    telemetry,
    kind: 'payment',
    due: store.due,
    nextMs: store.nextWakeMs,
    waiting: store.waiting,
    handle: recovery.handle,
    handleAlone: recovery.handleAlone,
    postpone: ({ orderId }, untilMs, nowMs) => database.transaction((tx) => store.postpone(tx, orderId, untilMs, nowMs)),
    keyOf: ({ orderId }) => orderId,
    pollMs: exclusive ? undefined : pollMs,
  });
  const refunds = createRefunds({
    database,
    payments: store,
    decider,
    outbox,
    log,
    gateway,
    calls,
    rules,
    clock,
    logger,
    telemetry,
    alarm,
    pollMs: exclusive ? undefined : pollMs,
  });

  const takeIn = async (inputs: readonly PaymentInput[]): Promise<void> => {
    const placed = inputs.reduce((sum, { event }) => (event.kind === 'placed' ? sum + 1 : sum), 0);
    if (placed > 0) await permits.acquire(placed);
    let unused = placed;
    try {
      for (const one of await apply(inputs)) {
        if ('refused' in one || one.call === undefined) continue;
        unused -= 1;
        driver.start(one.payment, one.call, () => permits.release(1));
      }
    } finally {
      if (unused > 0) permits.release(unused);
    }
  };

  let consumer: Consumer | undefined;
  const shutDown = async (timeoutMs: number): Promise<void> => {
    const endMs = clock.monotonic() + timeoutMs;
    permits.close();
    recoveryPermits.close();
    const stopped = waker.close();
    await consumer?.close(timeoutMs);
    // Calls, and what waits for locks, may take longer than there is time: the next start goes on with them.
    const idle = Promise.all([stopped, permits.idle(), recoveryPermits.idle(), refunds.close()]);
    await Promise.race([idle, elapsed(clock, endMs - clock.monotonic(), idle)]);
    driver.close();
    await Promise.all([outcomes.close(), alone.close()]);
    await lease.close();
    if (options.outbox === undefined) await outbox.close(Math.max(1_000, endMs - clock.monotonic()));
  };
  let closing: Promise<void> | undefined;
  const close = (timeoutMs = 10_000): Promise<void> => {
    closing ??= shutDown(timeoutMs);
    return closing;
  };

  try {
    await outbox.prepare([topics.transactions, topics.transactionLogs]);
    // Nothing of an exclusive database's past runs any more: what was under way then is taken over at once.
    const taken = exclusive ? await recovery.takeOver('') : 0;
    if (taken > 0) logger.info({ payments: taken }, 'went on with payments of the run before');
    await lease.start();
    consumer = await createConsumer(broker, topics.orders, {
      subscription: options.subscription ?? 'payment',
      handleBatch: (batch) => takeIn(readOrderEvents(batch, policy)),
      maxBatchSize: Math.min(maxBatch, policy.maxConcurrentCalls),
      // While the gateway is slow a batch waits for calls to end; what waits behind it waits in the topic.
      timeoutMs: 0,
      clock,
      random,
      logger,
      telemetry,
    });
    waker.start();
    refunds.start();
  } catch (error) {
    await close(0);
    throw error;
  }

  return {
    getPayment: async (orderId) => {
      const payment = (await store.load(undefined, [orderId])).get(orderId);
      return payment === undefined ? undefined : toPaymentMessage(payment);
    },
    refund: refunds.refund,
    reconcile: ({ startMs = 0, endMs = Number.POSITIVE_INFINITY } = {}) =>
      // What is charged while the books are compared would be in one and not yet in the other.
      reconcile({ database, gateway }, { startMs, endMs: Math.min(endMs, clock.now() + 1) }),
    get inFlight() {
      return permits.taken + recoveryPermits.taken;
    },
    check: async () => {
      if (closing !== undefined) {
        throw new PaystreamError('UNAVAILABLE', 'the payment processor is closed', { reason: 'CLOSED' });
      }
      await consumer?.check?.();
    },
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}
