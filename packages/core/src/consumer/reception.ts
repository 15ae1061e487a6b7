import type { ClockTimer } from '../clock/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { CommonSettings } from './settings.ts';

/** How long a call waits for messages before it counts as one that works, after others have failed. */
const calmMs = 5_000;

/** Whether messages can be received from a topic: says so once when they cannot any more, and once when they can again. */
export interface Reception {
  /** Why they cannot; `undefined` while they can. */
  readonly reason: string | undefined;
  /** What the subscription says of itself; `undefined`: it is joined. */
  told(error: PaystreamError | undefined): void;
  /** A call of `receive` begins. */
  began(): void;
  /** A call of `receive` has brought messages. */
  worked(): void;
  /** A call of `receive` has failed, and is made again. */
  failed(error: unknown): void;
  /** Nothing is received any more: leaves nothing to be seen. */
  end(): void;
}

/** Makes the reception of one topic. */
export function createReception(topic: string, { clock, logger, telemetry, subscription }: CommonSettings): Reception {
  const labels = { topic, subscription };
  /** By what the subscription says of itself, and by how the last call ended. */
  let outage: PaystreamError | undefined;
  let failure: PaystreamError | undefined;
  let cutOff = false;
  let calm: ClockTimer | undefined;

  const change = (): void => {
    const error = outage ?? failure;
    if (cutOff === (error !== undefined)) return;
    cutOff = error !== undefined;
    telemetry.gauge('paystream_consumer_cut_off', labels, cutOff ? 1 : 0);
    if (error === undefined) logger.info(labels, 'receives again');
    else logger.warn({ ...labels, err: error }, 'cannot receive: tried again until it can');
  };
  const settled = (error: PaystreamError | undefined): void => {
    calm?.cancel();
    calm = undefined;
    failure = error;
    change();
  };

  return {
    get reason() {
      const error = outage ?? failure;
      return error && `${error.reason}: ${error.message}`;
    },
    told: (error) => {
      outage = error;
      if (error === undefined) settled(undefined);
      else change();
    },
    began: () => {
      if (failure !== undefined) calm = clock.setTimer(calmMs, () => settled(undefined));
    },
    worked: () => {
      if (failure !== undefined) settled(undefined);
    },
    failed: (error) => {
      telemetry.count('paystream_consumer_broker_retries_total', { ...labels, operation: 'receive' });
      settled(PaystreamError.from(error));
    },
    end: () => {
      calm?.cancel();
      if (cutOff) telemetry.gauge('paystream_consumer_cut_off', labels, 0);
    },
  };
}
