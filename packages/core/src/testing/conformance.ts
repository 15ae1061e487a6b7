/** One promise of a port, as data: any test runner, or none, can run it. */
export interface ConformanceCase<S> {
  /** The promise, as a user would put it. */
  readonly name: string;
  /** Abilities that the subject must have for the case to make sense. Default: none. */
  readonly needs?: readonly string[];
  /** Rejects, with an `AssertionError` or what the subject threw, if the promise is not kept. */
  run(subject: S): Promise<void>;
}

/** How cases get what they are run against. */
export interface BindOptions<S> {
  /** What the subject can do beyond the least. Cases that need more are skipped, with a reason. Default: none. */
  readonly abilities?: readonly string[];
  /** Makes a subject. Called once for each case. */
  open(): Promise<S>;
  /** Takes it down again, whether the case passed or not. */
  close(subject: S): Promise<void>;
}

/** A case that is ready to run. */
export interface BoundCase {
  /** The promise, as a user would put it. */
  readonly name: string;
  /** Why it cannot be run against this subject; `undefined` if it can. */
  readonly skip: string | undefined;
  /** Opens a subject, runs the case, closes the subject. Rejects if the promise is not kept. */
  run(): Promise<void>;
}

/**
 * Binds cases to a subject.
 *
 * @example
 * ```ts
 * for (const bound of bindCases(brokerCases, { abilities, open: openMyBroker, close: closeMyBroker })) {
 *   it.skipIf(bound.skip !== undefined)(bound.name, () => bound.run());
 * }
 * ```
 */
export function bindCases<S>(cases: readonly ConformanceCase<S>[], options: BindOptions<S>): readonly BoundCase[] {
  const abilities = new Set(options.abilities);
  return cases.map((one) => {
    const lacking = one.needs?.filter((ability) => !abilities.has(ability)) ?? [];
    return {
      name: one.name,
      skip: lacking.length === 0 ? undefined : `needs ${lacking.join(', ')}`,
      run: async () => {
        const subject = await options.open();
        try {
          await one.run(subject);
        } finally {
          await options.close(subject);
        }
      },
    };
  });
}
