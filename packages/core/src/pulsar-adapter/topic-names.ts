import { PaystreamError } from '../errors/paystream-error.ts';

/** Throws `INVALID_ARGUMENT`. */
export function refuse(what: string): never {
  throw new PaystreamError('INVALID_ARGUMENT', what, { reason: 'BAD_OPTIONS' });
}

/** The full name of a topic: a bare name is one of the namespace; a name that says more is taken as it is. */
export function fullTopicName(topic: string, namespace: string): string {
  if (topic === '') refuse('a topic wants a name');
  return topic.includes('/') ? topic : `persistent://${namespace}/${topic}`;
}

/** What a topic is called by who uses it, by its full name or that of one of its partitions: the bare name, if it is of the namespace. */
export function shortTopicName(fullName: string, namespace: string): string {
  const prefix = `persistent://${namespace}/`;
  const own = fullName.startsWith(prefix) ? fullName.slice(prefix.length) : fullName;
  return own.replace(/-partition-\d+$/, '');
}

/** Throws `INVALID_ARGUMENT` unless it is `tenant/namespace`. */
export function checkNamespace(namespace: string): string {
  if (/^[^/:]+\/[^/:]+$/.test(namespace)) return namespace;
  return refuse(`"${namespace}" is no namespace: write tenant/namespace, such as public/default`);
}
