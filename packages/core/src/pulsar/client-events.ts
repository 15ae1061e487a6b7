import type { ConsumerEvent, ProducerEvent, PulsarError, PulsarEvent } from '@paystream/pulsar';
import type { Clock, ClockTimer } from '../clock/port.ts';
import type { PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import { brokerClosed } from '../pulsar-adapter/broker.ts';
import { shortTopicName } from '../pulsar-adapter/topic-names.ts';
import { labelSets } from '../telemetry/labels.ts';
import type { Labels, Telemetry } from '../telemetry/port.ts';
import { fromPulsar } from './errors.ts';

/** A break that is over sooner is counted and no more is said of it, in milliseconds: a topic that moves to another broker makes one. */
const shortBreakMs = 5_000;
const mostNamed = 10;

/** What the events of a client go to. */
export interface ClientEventsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** Topics of it are told by their bare names. */
  readonly namespace: string;
}

/** Counts what a client tells of itself, and says once of each break that lasts. */
export interface ClientEvents {
  told(event: PulsarEvent): void;
  /** The client is closed: leaves nothing to be seen. */
  close(): void;
}

/** A producer or consumer of a topic or partition that was lost. */
interface Lost {
  readonly labels: Labels;
  /** Of the partition, if it is one's. */
  readonly topic: string;
  readonly sinceMs: number;
  error: PulsarError | undefined;
  /** Whether the log says so. */
  logged: boolean;
}

function meaning(error: PulsarError | undefined): PaystreamError {
  return fromPulsar(error, { what: 'not connected', details: {}, closed: brokerClosed });
}

function keyOf(event: ProducerEvent | ConsumerEvent): string {
  return [event.scope, event.topic, event.scope === 'consumer' ? event.subscription : '', event.name].join('\n');
}

/** Makes what listens to one client. */
export function createClientEvents({ clock, logger, telemetry, namespace }: ClientEventsOptions): ClientEvents {
  const labelsOf = labelSets('role', 'topic');
  const retryLabels = labelSets('operation', 'error');
  const lost = new Map<string, Lost>();
  let timer: ClockTimer | undefined;
  let closed = false;

  const gauge = (labels: Labels): void => {
    const count = [...lost.values()].filter((one) => one.labels === labels).length;
    telemetry.gauge('paystream_pulsar_disconnected', labels, count);
  };
  const retried = (operation: string, error: PulsarError | undefined): void => {
    telemetry.count('paystream_pulsar_retries_total', retryLabels(operation, meaning(error).reason));
  };

  const look = (): void => {
    timer = undefined;
    const longMs = clock.monotonic() - shortBreakMs;
    const fresh = [...lost.values()].filter(({ logged, sinceMs }) => !logged && sinceMs <= longMs);
    for (const one of fresh) one.logged = true;
    if (fresh.length > 0) {
      const topics = [...new Set(fresh.map(({ topic }) => topic))];
      const fields = { disconnected: fresh.length, topics: topics.slice(0, mostNamed), err: meaning(fresh[0]?.error) };
      logger.warn(fields, 'producers or consumers of Pulsar have lost their connection: tried again until they have one');
    }
    arm();
  };
  const arm = (): void => {
    if (timer !== undefined || closed) return;
    const [next] = [...lost.values()].filter(({ logged }) => !logged);
    if (next === undefined) return;
    timer = clock.setTimer(Math.max(1, next.sinceMs + shortBreakMs - clock.monotonic()), look, { unref: true });
  };

  /** It is not lost any more: it has come back, or was closed, or the broker has ended it. */
  const found = (event: ProducerEvent | ConsumerEvent, labels: Labels): void => {
    const before = lost.get(keyOf(event));
    lost.delete(keyOf(event));
    gauge(labels);
    if (lost.size === 0) timer = void timer?.cancel();
    if (before === undefined || event.type !== 'ready') return;
    telemetry.count('paystream_pulsar_reconnects_total', labels);
    if (before.logged && ![...lost.values()].some(({ logged }) => logged)) {
      logger.info({ topic: before.topic }, 'producers and consumers of Pulsar are connected again');
    }
  };

  const ofPlace = (event: ProducerEvent | ConsumerEvent): void => {
    const labels = labelsOf(event.scope, shortTopicName(event.topic, namespace));
    if (event.type === 'disconnected') {
      lost.set(keyOf(event), { labels, topic: event.topic, sinceMs: clock.monotonic(), error: event.error, logged: false });
      gauge(labels);
      arm();
    } else if (event.type === 'retry') {
      retried(event.scope === 'consumer' ? 'subscribe' : 'produce', event.error);
      const one = lost.get(keyOf(event));
      if (one !== undefined) one.error = event.error;
    } else if (event.type === 'ready' || event.type === 'failed' || event.type === 'closed') found(event, labels);
  };

  return {
    told: (event) => {
      if (closed) return;
      if (event.scope === 'lookup') retried('lookup', event.error);
      else if (event.scope !== 'connection') ofPlace(event);
      else if (event.type === 'failed') retried('connect', event.error);
    },
    close: () => {
      closed = true;
      timer?.cancel();
      const gone = new Set([...lost.values()].map(({ labels }) => labels));
      lost.clear();
      for (const labels of gone) gauge(labels);
    },
  };
}
