import { type Dispatcher, promote, type Source, scanLimit } from './dispatch.ts';
import { PairHeap } from './pair-heap.ts';

/** In the order of the log, to whoever asks: exclusive, failover (`delays` false) and shared (`delays` true). */
export function createPlainDispatcher<C, M>(source: Source<C, M>, from: number, delays: boolean): Dispatcher<C, M> {
  const replay = new PairHeap();
  const delayed = new PairHeap();
  let next = from;

  return {
    take: (consumer, max, out) => {
      if (delayed.size > 0) promote(delayed, replay, source.now());
      while (replay.size > 0 && out.length < max) {
        const sequence = replay.top as number;
        const message = source.acknowledged(sequence) ? undefined : source.earlier(sequence);
        replay.pop();
        const delivery = message && source.deliver(consumer, message);
        if (delivery !== undefined) out.push(delivery);
      }
      const tail = source.tail();
      next = Math.max(next, source.first());
      const stop = next + scanLimit;
      while (next < tail && out.length < max) {
        if (next >= stop) return false;
        const sequence = next;
        const message = source.acknowledged(sequence) ? undefined : source.message(sequence);
        next += 1;
        if (message === undefined) continue;
        if (delays && message.deliverAtMs !== undefined && message.deliverAtMs > source.now()) {
          delayed.push(message.deliverAtMs, sequence);
          continue;
        }
        const delivery = source.deliver(consumer, message);
        if (delivery !== undefined) out.push(delivery);
      }
      return true;
    },
    ready: () => replay.size + source.tail() - next,
    nextDueMs: () => delayed.lowest,
    settled: () => undefined,
    withdrawn: () => undefined,
    returned: (sequence, _key, dueMs) => {
      if (dueMs <= source.now()) replay.push(sequence, sequence);
      else delayed.push(dueMs, sequence);
    },
    left: () => undefined,
  };
}
