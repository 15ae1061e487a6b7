import type { ClockTimer } from '../clock/port.ts';

/** A timer that is due. */
interface DueTimer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** Timers by due time, equal ones in the order in which they were added. */
export interface TimerQueue {
  add(dueMs: number, callback: () => void): ClockTimer;
  /** Takes out the first timer that is due by then. */
  takeDue(untilMs: number): DueTimer | undefined;
  readonly size: number;
}

interface Entry extends DueTimer {
  readonly sequence: number;
  state: 'set' | 'canceled' | 'taken';
}

const before = (a: Entry, b: Entry): boolean => a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.sequence < b.sequence);

/** A binary heap. A canceled timer stays in it until it comes up, or until such timers are the most of it. */
export function createTimerQueue(): TimerQueue {
  let heap: Entry[] = [];
  let canceled = 0;
  let sequence = 0;

  const up = (entry: Entry): void => {
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex] as Entry;
      if (before(parent, entry)) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = entry;
  };

  const pop = (): Entry => {
    const first = heap[0] as Entry;
    const entry = heap.pop() as Entry;
    if (heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let childIndex = 2 * index + 1;
      if (childIndex >= heap.length) break;
      const right = heap[childIndex + 1];
      if (right !== undefined && before(right, heap[childIndex] as Entry)) childIndex += 1;
      const child = heap[childIndex] as Entry;
      if (before(entry, child)) break;
      heap[index] = child;
      index = childIndex;
    }
    heap[index] = entry;
    return first;
  };

  const dropCanceled = (): void => {
    if (canceled < 64 || canceled * 2 < heap.length) return;
    // A sorted array is a heap.
    heap = heap.filter((entry) => entry.state === 'set').sort((a, b) => (before(a, b) ? -1 : 1));
    canceled = 0;
  };

  return {
    get size() {
      return heap.length - canceled;
    },
    add: (dueMs, callback) => {
      const entry: Entry = { dueMs, callback, sequence: sequence++, state: 'set' };
      up(entry);
      return {
        cancel: () => {
          if (entry.state !== 'set') return;
          entry.state = 'canceled';
          canceled += 1;
          dropCanceled();
        },
      };
    },
    takeDue: (untilMs) => {
      while (heap.length > 0) {
        const first = heap[0] as Entry;
        if (first.state === 'set' && first.dueMs > untilMs) return undefined;
        pop();
        if (first.state === 'set') {
          first.state = 'taken';
          return first;
        }
        canceled -= 1;
      }
      return undefined;
    },
  };
}
