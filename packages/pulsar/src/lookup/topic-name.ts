import { PulsarError } from '../errors/pulsar-error.ts';

/** A topic name taken apart. */
export interface TopicName {
  readonly domain: 'persistent' | 'non-persistent';
  readonly tenant: string;
  /** `tenant/namespace`, or `tenant/cluster/namespace` of a name in the form of Pulsar 1. */
  readonly namespace: string;
  readonly localName: string;
  /** -1 if the name is not that of a partition. */
  readonly partition: number;
  /** With domain, and everything: what is sent to brokers. */
  readonly full: string;
  /** The full name of the partitioned topic, without `-partition-N`. */
  readonly base: string;
}

function invalid(text: string, why: string): PulsarError {
  return new PulsarError(
    'INVALID_ARGUMENT',
    `"${text}" is no topic name: ${why}; write name, tenant/namespace/name or persistent://tenant/namespace/name`,
  );
}

const partitionSuffix = /-partition-(0|[1-9]\d{0,8})$/;

/**
 * Takes a topic name apart: `name` is `persistent://public/default/name`, and `tenant/namespace/name` is persistent. Throws
 * `INVALID_ARGUMENT`.
 */
export function parseTopicName(text: string): TopicName {
  const scheme = /^([^:/]*):\/\//.exec(text);
  const domain = scheme?.[1] ?? 'persistent';
  if (domain !== 'persistent' && domain !== 'non-persistent') throw invalid(text, `"${domain}" is neither persistent nor non-persistent`);
  const rest = text.slice(scheme?.[0].length ?? 0);
  const parts = rest.split('/');
  if (scheme === null && parts.length === 1) parts.unshift('public', 'default');
  if (parts.length < 3) throw invalid(text, 'it needs tenant, namespace and name');
  if (parts.some((part) => part === '')) throw invalid(text, 'a part of it is empty');
  // Four parts and more: tenant/cluster/namespace/name, and the name may have slashes.
  const spaceLength = parts.length === 3 ? 2 : 3;
  const namespace = parts.slice(0, spaceLength).join('/');
  const localName = parts.slice(spaceLength).join('/');
  const full = `${domain}://${namespace}/${localName}`;
  const suffix = partitionSuffix.exec(localName);
  return {
    domain,
    tenant: parts[0] ?? '',
    namespace,
    localName,
    partition: suffix === null ? -1 : Number(suffix[1]),
    full,
    base: suffix === null ? full : full.slice(0, -suffix[0].length),
  };
}

/** The full name of a partition of a topic. */
export function partitionName(topic: string, partition: number): string {
  return `${parseTopicName(topic).base}-partition-${partition}`;
}
