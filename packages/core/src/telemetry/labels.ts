import { PaystreamError } from '../errors/paystream-error.ts';
import type { Labels } from './port.ts';

/** Makes label sets of some names, the same object for the same values. */
export function labelSets<N extends string>(...names: readonly N[]): (...values: readonly string[]) => Labels {
  const known = new Map<string, Labels>();
  return (...values) => {
    const key = values.join('\n');
    let found = known.get(key);
    if (found === undefined) {
      found = Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']));
      known.set(key, found);
    }
    return found;
  };
}

/** Labels with `error`: the reason of what something failed with, empty where it did not. Every one has all labels, as Prometheus asks. */
export function labelsWithError(labels: Labels): (error?: unknown) => Labels {
  const good = { ...labels, error: '' };
  const failed = new Map<string, Labels>();
  return (error) => {
    if (error === undefined) return good;
    const { reason } = PaystreamError.from(error);
    let found = failed.get(reason);
    if (found === undefined) {
      found = { ...labels, error: reason };
      failed.set(reason, found);
    }
    return found;
  };
}
