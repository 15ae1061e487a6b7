/** Options of {@link scanPage}. */
export interface ScanPageOptions<Row> {
  /** At most so many rows are on the page; no more than 1,000. */
  readonly size: number;
  /** Reads at most `limit` rows in the order of the pages: those behind `after`, or the first. */
  readonly read: (after: Row | undefined, limit: number) => Promise<readonly Row[]>;
  /** Whether a row belongs on the page. */
  readonly wanted: (row: Row) => boolean;
}

/** A page of rows. */
export interface ScannedPage<Row> {
  /** The rows that are wanted. Where few are, a page may hold less than its size, and nothing at all, and not be the last. */
  readonly rows: readonly Row[];
  /** The row that the next page begins behind; `undefined` on the last page. */
  readonly last: Row | undefined;
}

const maxScanned = 2_000;
const chunk = 500;

/**
 * Reads one page of rows of which a filter without an index may want few: it looks at no more than 2,000, so that rare rows
 * cost more pages, never a long query.
 */
export async function scanPage<Row>({ size, read, wanted }: ScanPageOptions<Row>): Promise<ScannedPage<Row>> {
  const rows: Row[] = [];
  let last: Row | undefined;
  // One row more than the page holds tells whether it is the last.
  for (let looked = 0, limit = size + 1; looked < maxScanned; limit = Math.min(chunk, maxScanned - looked)) {
    const found = await read(last, limit);
    rows.push(...found.filter(wanted));
    if (rows.length > size) return { rows: rows.slice(0, size), last: rows[size - 1] };
    if (found.length < limit) return { rows, last: undefined };
    looked += found.length;
    last = found.at(-1);
  }
  return { rows, last };
}
