/** Durations that were measured, in milliseconds. */
export interface Durations {
  add(ms: number): void;
  /** The value that a share of 0 to 1 of the durations does not exceed; `undefined` if there are none. */
  quantile(share: number): number | undefined;
}

/** Keeps every duration: exact, at eight bytes each. */
export function createDurations(): Durations {
  const all: number[] = [];
  let sorted = true;
  return {
    add: (ms) => {
      all.push(ms);
      sorted = false;
    },
    quantile: (share) => {
      if (!sorted) all.sort((a, b) => a - b);
      sorted = true;
      return all[Math.min(all.length - 1, Math.ceil(share * all.length) - 1)];
    },
  };
}
