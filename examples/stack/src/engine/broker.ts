import { readFile } from 'node:fs/promises';
import { type Broker, type Logger, PaystreamError, type Telemetry } from '@paystream/core';
import { createEmbeddedBroker } from '@paystream/core/embedded';
import type { Config } from '../config/config.ts';
import { readNamed } from './named-file.ts';

const advice = 'start one with `npm run pulsar -- start`, set PAYSTREAM_PULSAR_URL, or do without by PAYSTREAM_BROKER=embedded';

/** Logs are stored by their ids, and updates of orders are read whole by every replica: nobody reads them key-shared. */
function topicsWithoutLanes(config: Config): ReadonlySet<string> {
  return new Set([config.PAYSTREAM_TOPIC_ORDER_UPDATES, config.PAYSTREAM_TOPIC_ORDER_LOGS, config.PAYSTREAM_TOPIC_TRANSACTION_LOGS]);
}

/** So many replicas of a service share the work of a topic at most. Entries cost the broker more than what is in them. */
const keyGroups = 32;

/** Less than a check of the stack may take, so that `/readyz` says what is wrong. */
export const pingTimeoutMs = 1_800;
/** A start is more patient. */
const pingsAtStart = 3;

async function pingAtStart(broker: Broker): Promise<void> {
  for (let left = pingsAtStart - 1; ; left--) {
    try {
      await broker.ping();
      return;
    } catch (error) {
      if (left === 0 || !PaystreamError.is(error) || error.reason !== 'PULSAR_TIMEOUT') throw error;
    }
  }
}

/** What a broker refused that refuses who asks. */
function credentials({ PAYSTREAM_PULSAR_TOKEN: text, PAYSTREAM_PULSAR_TOKEN_FILE: file }: Config): string {
  if (file !== undefined) return `the token in PAYSTREAM_PULSAR_TOKEN_FILE ${file}`;
  return text === undefined ? 'whoever has no token: set PAYSTREAM_PULSAR_TOKEN_FILE' : 'the token in PAYSTREAM_PULSAR_TOKEN';
}

async function openPulsar(config: Config, logger: Logger, telemetry: Telemetry): Promise<Broker> {
  const [{ createPulsarBroker }, { token }] = await Promise.all([import('@paystream/core/pulsar'), import('@paystream/pulsar')]);
  const { PAYSTREAM_PULSAR_URL: serviceUrl, PAYSTREAM_PULSAR_TOKEN: text, PAYSTREAM_PULSAR_TOKEN_FILE: file } = config;
  const ca = await readNamed('PAYSTREAM_PULSAR_CA', config.PAYSTREAM_PULSAR_CA);
  // Read again for each connection; one that cannot be read at all is a wrong setting.
  await readNamed('PAYSTREAM_PULSAR_TOKEN_FILE', file);
  const source = file === undefined ? text : () => readFile(file, 'utf8');
  const withoutLanes = topicsWithoutLanes(config);
  const broker = createPulsarBroker({
    serviceUrl,
    pingTimeoutMs,
    producer: (topic) => (withoutLanes.has(topic) ? { batching: {} } : { keyGroups }),
    namespace: config.PAYSTREAM_PULSAR_NAMESPACE,
    logger,
    telemetry,
    ...(source === undefined ? {} : { authentication: token(source) }),
    ...(ca === undefined ? {} : { tls: { ca } }),
  });
  try {
    await pingAtStart(broker);
    return broker;
  } catch (cause) {
    await broker.close();
    const { code, reason, message } = PaystreamError.from(cause);
    if (code === 'UNAVAILABLE') {
      const more = config.PAYSTREAM_PROFILE === 'production' ? 'check PAYSTREAM_PULSAR_URL and that it runs' : advice;
      throw new PaystreamError(code, `no Pulsar broker at ${serviceUrl}: ${message}; ${more}`, { reason, cause });
    }
    if (reason === 'PULSAR_PROTOCOL') {
      const what = 'what listens there does not speak as a Pulsar broker does; check PAYSTREAM_PULSAR_URL';
      throw new PaystreamError('UNAVAILABLE', `no Pulsar broker at ${serviceUrl}: ${what}: ${message}`, { reason, cause });
    }
    // It is there, and says no: to who asks, or to the namespace.
    const asked = code === 'UNAUTHENTICATED' ? credentials(config) : `PAYSTREAM_PULSAR_NAMESPACE ${config.PAYSTREAM_PULSAR_NAMESPACE}`;
    throw new PaystreamError(code, `the Pulsar broker at ${serviceUrl} refuses ${asked}: ${message}`, { reason, cause });
  }
}

/** The broker that the settings ask for. `path` is where the embedded one has its file. */
export async function openBroker(config: Config, path: string, logger: Logger, telemetry: Telemetry): Promise<Broker> {
  if (config.PAYSTREAM_BROKER === 'pulsar') return openPulsar(config, logger, telemetry);
  return createEmbeddedBroker({ path, synchronous: config.PAYSTREAM_SYNCHRONOUS, logger, telemetry });
}
