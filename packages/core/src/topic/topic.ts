import type { Codec } from './codec.ts';

/** A contract between producers and consumers: a name, what its messages hold, and by what they are ordered. */
export interface Topic<T, I = T> {
  /** The topic's name, as the broker knows it. */
  readonly name: string;
  /** How values become bytes and back. */
  readonly codec: Codec<T, I>;
  /** The key of a value: values of one key keep their order. None: no order. */
  readonly key?: ((value: I) => string) | undefined;
}

/**
 * Names a topic once; its producers and consumers are typed from it.
 *
 * @example
 * const signups = defineTopic({ name: 'signups', codec: json(signupSchema), key: (signup) => signup.userId });
 */
export function defineTopic<T, I = T>(topic: Topic<T, I>): Topic<T, I> {
  return topic;
}

/** The same contract under another name. */
export function renameTopic<T, I>(topic: Topic<T, I>, name: string): Topic<T, I> {
  return { ...topic, name };
}
