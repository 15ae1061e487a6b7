// How every benchmark measures: rounds of what is measured and of its reference by turns, in one run, so that what the
// machine does meanwhile hits both; the median round of each counts.

/** What a benchmark module exports as `benchmark`. */
export interface Benchmark {
  /** How it is called on the command line: `create-order`. */
  readonly name: string;
  /** What it answers. */
  readonly question: string;
  /** Measures. Takes what it started down again. */
  run(): Promise<readonly Finding[]>;
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
  readonly goal?: number;
}

/** Options of {@link compare}. */
export interface ComparisonOptions {
  readonly case: string;
  readonly unit: string;
  readonly measured: Contestant;
  readonly reference?: Contestant;
  readonly goal?: number;
  /** Rounds that count, of each. Default: 5. */
  readonly rounds?: number;
  /** Rounds before them that do not count, of each. Default: 1. */
  readonly warmup?: number;
}

/** The rounds of one contestant, summed up. */
export function series(name: string, figures: readonly number[]): Series {
  const sorted = [...figures].sort((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
  return { name, median, min: at(0), max: at(sorted.length - 1) };
}

/** Measures by turns: reference, measured, reference, measured, ... */
export async function compare(options: ComparisonOptions): Promise<Finding> {
  const { measured, reference, rounds = 5, warmup = 1, goal } = options;
  const figures: number[] = [];
  const referenceFigures: number[] = [];
  for (let round = -warmup; round < rounds; round++) {
    const ofReference = await reference?.round();
    const ofMeasured = await measured.round();
    if (round < 0) continue;
    figures.push(ofMeasured);
    if (ofReference !== undefined) referenceFigures.push(ofReference);
  }
  const result = {
    case: options.case,
    unit: options.unit,
    measured: series(measured.name, figures),
    ...(goal === undefined ? {} : { goal }),
  };
  if (reference === undefined) return result;
  const beside = series(reference.name, referenceFigures);
  return { ...result, reference: beside, ratio: result.measured.median / beside.median };
}

/** Runs `work` and gives how many of its `operations` it did a second. */
export async function perSecond(operations: number, work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return operations / ((performance.now() - started) / 1000);
}
