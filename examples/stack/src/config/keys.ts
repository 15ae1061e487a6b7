import { z } from 'zod';

const printable = /^[!-~]+$/;

/** A key as a header carries it. Anything else is refused here: the error of who writes the header would show it. */
export const sentKey = z.string().regex(printable, 'must be printable ASCII without blanks, as it is sent in a header');

/** Who may act for which merchant. */
interface KeyPair {
  readonly key: string;
  /** `*`: for all. */
  readonly merchant: string;
}

function faultOf(pairs: readonly (readonly string[])[]): string | undefined {
  const places = new Map<string, number>();
  for (const [index, [key = '', merchant = '', ...more]] of pairs.entries()) {
    if (!printable.test(key) || !/^\S(.*\S)?$/.test(merchant) || more.length > 0)
      return 'must be pairs such as key=merchant-1,other-key=*, the keys of printable ASCII without blanks';
    const same = places.get(key);
    if (same !== undefined) return `must name each key once; pairs ${same + 1} and ${index + 1} have the same`;
    places.set(key, index);
  }
  return undefined;
}

/** `key=merchant-1` or `key=*`, separated by commas, with or without blanks between: who may act for which merchant. */
export const keyPairs = z.string().transform((text, context): readonly KeyPair[] => {
  const pairs = text.split(',').map((pair) => pair.trim().split('='));
  const fault = faultOf(pairs);
  if (fault !== undefined) context.addIssue(fault);
  return pairs.map(([key = '', merchant = '']) => ({ key, merchant }));
});
