import { refuse } from '../pulsar-adapter/topic-names.ts';
import { given } from './given.ts';
import type { PulsarNativeAdapterOptions } from './options.ts';

type ProducerOptions = NonNullable<PulsarNativeAdapterOptions['producer']>;

/** What the addon's numbers hold. */
const maxInt32 = 2 ** 31 - 1;

/** Options of producers. Throws `INVALID_ARGUMENT` / `BAD_OPTIONS` on what the addon does not refuse and does not bear. */
export function checkedProducer(options: ProducerOptions = {}): ProducerOptions {
  const checked = given(options);
  const { maxPendingMessages: pending } = checked;
  if (pending !== undefined && !(Number.isInteger(pending) && pending >= 1 && pending <= maxInt32)) {
    refuse(`producer.maxPendingMessages wants an integer from 1 to ${maxInt32}, not ${pending}`);
  }
  return checked;
}
