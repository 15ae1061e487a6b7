// How every benchmark measures: rounds of what is measured and of its reference by turns, in one run, so that what the
// machine does meanwhile hits both; the median round of each counts.

/** What a benchmark module exports as `benchmark`. */
export interface Benchmark {
  /** How it is called on the command line: `create-order`. */
  readonly name: string;
  /** What it answers. */
  readonly question: string;
  /** Options of its own on the command line, which take a value: by name, what each means. */
  readonly options?: Readonly<Record<string, string>>;
  /** Measures. Takes what it started down again. */
  run(options: Readonly<Record<string, unknown>>): Promise<readonly Finding[]>;
}

/** One thing that takes a measurement in rounds. */
export interface Contestant {
  readonly name: string;
  /** Runs once and gives its figure, operations a second for example. */
  round(): Promise<number>;
}

/** The rounds of one contestant. */
export interface Series {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** What came out. */
export interface Finding {
  /** What was asked: `64 in flight`. */
  readonly case: string;
  /** What the figures count: `orders/s`. */
  readonly unit: string;
  readonly measured: Series;
  /** Missing where nothing comparable exists; then the figure holds for this machine alone. */
  readonly reference?: Series;
  /** Median measured / median of the reference. */
  readonly ratio?: number;
  /** What the ratio, or without a reference the figure, should reach. */
  readonly goal?: number | undefined;
  /** Whether the goal is a bound that the figure should stay below. */
  readonly lowerIsBetter?: boolean | undefined;
  /** Why there is no figure, where there is none. */
  readonly skipped?: string;
}

/** Options of {@link compare}. */
export interface ComparisonOptions {
  readonly case: string;
  readonly unit: string;
  readonly measured: Contestant;
  readonly reference?: Contestant | undefined;
  readonly goal?: number | undefined;
  /** Whether the goal is a bound that the figure should stay below. Default: false. */
  readonly lowerIsBetter?: boolean | undefined;
  /** Rounds that count, of each. Default: 5. */
  readonly rounds?: number | undefined;
  /** Rounds before them that do not count, of each. Default: 1. */
  readonly warmup?: number | undefined;
}

/** The rounds of one contestant, summed up. */
export function series(name: string, figures: readonly number[]): Series {
  const sorted = [...figures].sort((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
  return { name, median, min: at(0), max: at(sorted.length - 1) };
}

/** Measures each by turns: first, second, first, second, ... Gives their series in the same order. */
export async function takeTurns(contestants: readonly Contestant[], rounds = 5, warmup = 1): Promise<readonly Series[]> {
  const figures = contestants.map((): number[] => []);
  for (let round = -warmup; round < rounds; round++) {
    for (const [index, contestant] of contestants.entries()) {
      const figure = await contestant.round();
      if (round >= 0) figures[index]?.push(figure);
    }
  }
  return contestants.map(({ name }, index) => series(name, figures[index] ?? []));
}

/** What series say of each other. */
export function findingOf(
  options: Pick<Finding, 'case' | 'unit' | 'measured' | 'goal' | 'lowerIsBetter'> & { readonly reference?: Series | undefined },
): Finding {
  const { reference, ...rest } = options;
  return reference === undefined ? rest : { ...rest, reference, ratio: rest.measured.median / reference.median };
}

/** Measures by turns: reference, measured, reference, measured, ... */
export async function compare(options: ComparisonOptions): Promise<Finding> {
  const { measured, reference, rounds, warmup, ...rest } = options;
  const taken = await takeTurns(reference === undefined ? [measured] : [reference, measured], rounds, warmup);
  const [first, second] = taken as readonly [Series, Series?];
  return findingOf({ ...rest, measured: second ?? first, reference: second === undefined ? undefined : first });
}

/** Whether a finding is as good as it should be; `undefined` if nothing says how good that is. */
export function reached({ goal, ratio, measured, lowerIsBetter }: Finding): boolean | undefined {
  if (goal === undefined) return undefined;
  const figure = ratio ?? measured.median;
  return lowerIsBetter === true ? figure <= goal : figure >= goal;
}

/** Runs `work` and gives how many of its `operations` it did a second. */
export async function perSecond(operations: number, work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return operations / ((performance.now() - started) / 1000);
}
