import type { Attributes } from '@opentelemetry/api';
import type { ErrorCode } from '../errors/paystream-error.ts';
import { httpOutcome, rpcOutcome } from '../rpc/outcome.ts';
import type { Labels } from '../telemetry/port.ts';

/** Makes attributes of labels. */
export type Translate = (labels: Labels) => Attributes;

/** What the semantic conventions call a metric and its labels. */
export interface Convention {
  readonly name: string;
  readonly attributes: Translate;
}

type Names = Readonly<Record<string, string>>;

const messaging: Names = {
  topic: 'messaging.destination.name',
  subscription: 'messaging.destination.subscription.name',
  system: 'messaging.system.name',
  error: 'error.type',
};
const database: Names = { system: 'db.system.name', operation: 'db.operation.name' };

/** Renames labels; those without a name in the conventions keep theirs, with `paystream.` before it. Empty ones say nothing. */
function renamed(names: Names, constant: Attributes = {}): Translate {
  return (labels) => {
    const attributes: Attributes = { ...constant };
    for (const [label, value] of Object.entries(labels)) {
      if (value !== '') attributes[names[label] ?? `paystream.${label}`] = value;
    }
    return attributes;
  };
}

/** The attributes of a metric of an area that has no convention of its own. */
export function attributesIn(area: string): Translate {
  return renamed(area === 'database' ? database : messaging);
}

const rpc: Translate = ({ method = '', system = '', code = 'OK' }) => ({
  'rpc.system.name': system,
  'rpc.method': method.replace(/^\//, ''),
  ...rpcOutcome(system, code as ErrorCode | 'OK'),
});

const http: Translate = ({ method = '', route = '', status = '' }) => ({
  'http.request.method': method,
  'http.route': route,
  'url.scheme': 'http',
  ...httpOutcome(status === '' ? undefined : Number(status)),
});

const send: Attributes = { 'messaging.operation.name': 'send', 'messaging.operation.type': 'send' };
const process: Attributes = { 'messaging.operation.name': 'process' };

/**
 * The metrics that the semantic conventions have names for, by those of the port.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/
 */
export const conventions: Readonly<Record<string, Convention>> = {
  paystream_rpc_seconds: { name: 'rpc.server.call.duration', attributes: rpc },
  paystream_http_seconds: { name: 'http.server.request.duration', attributes: http },
  paystream_producer_send_seconds: { name: 'messaging.client.operation.duration', attributes: renamed(messaging, send) },
  paystream_consumer_handler_seconds: { name: 'messaging.process.duration', attributes: renamed(messaging, process) },
  paystream_database_seconds: { name: 'db.client.operation.duration', attributes: renamed(database) },
};
