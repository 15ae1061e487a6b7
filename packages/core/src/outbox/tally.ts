import type { OutboxRow } from './row.ts';

/** Options of {@link createTally}. */
export interface TallyOptions {
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/**
 * Counts what an outbox has still to publish, and how much of it is in memory. An event that is held back or set aside is not: only
 * its place is kept. A row's bytes are, for as long as one of its events is.
 */
export interface Tally {
  /** How many events are to be published. */
  readonly pending: number;
  /** How many of them are held back. */
  readonly refused: number;
  /** Whether memory holds as much as it may. */
  readonly full: boolean;
  /** Whether there is room for some more of the table. */
  readonly roomy: boolean;
  /** A row is to be published. */
  expect(row: OutboxRow): void;
  /** Its events are in memory. */
  load(row: OutboxRow): void;
  /** An event in memory is published. Like the next one, gives whether nothing is left of its row but what is held back. */
  publish(row: OutboxRow): boolean;
  holdBack(row: OutboxRow): boolean;
  /** An event that was held back is published, or will never be. */
  release(row: OutboxRow): void;
  /** An event leaves memory, to be read again once its topic takes some. */
  setAside(row: OutboxRow): void;
  /** It is in memory again. */
  takeBack(row: OutboxRow): void;
  /** It will never be published. Gives whether nothing is left of its row but what is held back. */
  dropAside(row: OutboxRow): boolean;
  /** A row that is not in memory will not be published. */
  giveUp(row: OutboxRow): void;
  /** Begins again from nothing. */
  reset(): void;
}

/** Makes the tally of an outbox. */
export function createTally({ maxEvents, maxBytes }: TallyOptions): Tally {
  let pending = 0;
  let refused = 0;
  let events = 0;
  let bytes = 0;

  const inMemory = (row: OutboxRow): boolean => row.left > row.refused + row.aside;
  const leave = (row: OutboxRow): boolean => {
    events -= 1;
    if (!inMemory(row)) bytes -= row.bytes;
    return row.left === row.refused;
  };
  const full = (): boolean => events >= maxEvents || bytes >= maxBytes;

  return {
    get pending() {
      return pending;
    },
    get refused() {
      return refused;
    },
    get full() {
      return full();
    },
    get roomy() {
      return !full() && events * 2 <= maxEvents;
    },
    expect: (row) => {
      row.left = row.events;
      row.refused = 0;
      row.aside = 0;
      pending += row.events;
    },
    load: (row) => {
      events += row.events;
      bytes += row.bytes;
    },
    publish: (row) => {
      pending -= 1;
      row.left -= 1;
      return leave(row);
    },
    holdBack: (row) => {
      refused += 1;
      row.refused += 1;
      return leave(row);
    },
    release: (row) => {
      pending -= 1;
      refused -= 1;
      row.left -= 1;
      row.refused -= 1;
    },
    setAside: (row) => {
      row.aside += 1;
      leave(row);
    },
    takeBack: (row) => {
      if (!inMemory(row)) bytes += row.bytes;
      row.aside -= 1;
      events += 1;
    },
    dropAside: (row) => {
      pending -= 1;
      row.left -= 1;
      row.aside -= 1;
      return row.left === row.refused;
    },
    giveUp: (row) => {
      pending -= row.left;
      row.left = 0;
    },
    reset: () => {
      pending = 0;
      refused = 0;
      events = 0;
      bytes = 0;
    },
  };
}
