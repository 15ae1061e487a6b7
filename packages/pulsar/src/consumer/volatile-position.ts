import type { Entry } from '../message/entry.ts';
import { MessageId } from '../message/message-id.ts';
import type { SeekPosition } from './cursor.ts';
import type { StartPosition } from './start-filter.ts';

/** Where a cursor starts that the broker does not keep. */
export interface VolatileStart {
  readonly position: SeekPosition;
  /** Whether a message of that id is to be seen. */
  readonly inclusive: boolean;
}

/** What SUBSCRIBE says of such a cursor, and what is to be dropped of what then comes. */
export interface VolatileSubscribe {
  readonly id: MessageId;
  readonly rollbackSeconds: number;
  readonly filter: StartPosition | undefined;
  /** What was published before is to be dropped, in milliseconds since the epoch. */
  readonly sinceMs: number;
}

/** Where the next session has to go on so that nothing is lost and nothing seen twice, of a cursor that the broker does not keep. */
export class VolatilePosition {
  readonly #topic: string;
  readonly #partition: number;
  #start: VolatileStart;
  #last: { readonly entry: Entry<unknown>; readonly batchIndex: number } | undefined;

  constructor(topic: string, partition: number, start: VolatileStart) {
    this.#topic = topic;
    this.#partition = partition;
    this.#start = start;
  }

  get start(): VolatileStart {
    return this.#start;
  }

  /** The id of the last message that was handed out since the start. */
  get lastTaken(): MessageId | undefined {
    return this.#last?.entry.idAt(this.#last.batchIndex, this.#topic, this.#partition);
  }

  taken(entry: Entry<unknown>, batchIndex: number): void {
    this.#last = { entry, batchIndex };
  }

  /** The cursor begins elsewhere. */
  restart(start: VolatileStart): void {
    this.#start = start;
    this.#last = undefined;
  }

  /** How to subscribe. `queued`: the first message that is there and not handed out yet. */
  next(queued: MessageId | undefined, seekingTo: VolatileStart | undefined): VolatileSubscribe {
    // The broker keeps the cursor over a seek, and must not be told to move it once more.
    if (seekingTo !== undefined) return { ...beginning(seekingTo), rollbackSeconds: 0, sinceMs: 0 };
    if (queued !== undefined) return beginning({ position: queued, inclusive: true });
    const { lastTaken } = this;
    if (lastTaken !== undefined) return beginning({ position: lastTaken, inclusive: false });
    return beginning(this.#start);
  }
}

function beginning({ position, inclusive }: VolatileStart): VolatileSubscribe {
  if (position === 'earliest') return { id: MessageId.earliest, rollbackSeconds: 0, filter: undefined, sinceMs: 0 };
  if (position === 'latest') return { id: MessageId.latest, rollbackSeconds: 0, filter: undefined, sinceMs: 0 };
  if (MessageId.is(position)) {
    return { id: position.firstChunk ?? position, rollbackSeconds: 0, filter: { id: position, inclusive }, sinceMs: 0 };
  }
  // The broker goes back from its own now, in whole seconds: a little too far, and what is too old is dropped here.
  const rollbackSeconds = Math.max(0, Math.ceil((Date.now() - position.timeMs) / 1000) + 1);
  return { id: MessageId.latest, rollbackSeconds, filter: undefined, sinceMs: position.timeMs };
}
