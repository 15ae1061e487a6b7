/** Lets so many sends be under way at once; more wait their turn, in the order in which they came. */
export interface SendWindow {
  /** Begins at once if there is room. */
  run<T>(send: () => Promise<T>): Promise<T>;
  /** Resolves when all that came before has settled. */
  settled(): Promise<void>;
}

/** Makes a {@link SendWindow}. */
export function createSendWindow(limit: number): SendWindow {
  const pending = new Set<Promise<unknown>>();
  const turns: (() => void)[] = [];
  let underWay = 0;

  const run = async <T>(send: () => Promise<T>): Promise<T> => {
    if (underWay < limit) underWay += 1;
    // Whoever ends hands its place on.
    else await new Promise<void>((resolve) => turns.push(resolve));
    try {
      return await send();
    } finally {
      const next = turns.shift();
      if (next === undefined) underWay -= 1;
      else next();
    }
  };

  return {
    run: (send) => {
      const running = run(send);
      const remembered = running.catch(() => undefined).finally(() => pending.delete(remembered));
      pending.add(remembered);
      return running;
    },
    settled: async () => {
      await Promise.all(pending);
    },
  };
}
