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
    if (seekingTo !== undefined) return beginning(seekingTo);
    if (queued !== undefined) return beginning({ position: queued, inclusive: true });
    const { lastTaken } = this;
    if (lastTaken !== undefined) return beginning({ position: lastTaken, inclusive: false });
    return beginning(this.#start);
  }
}

function beginning({ position, inclusive }: VolatileStart): VolatileSubscribe {
  if (position === 'earliest') return { id: MessageId.earliest, rollbackSeconds: 0, filter: undefined };
  if (position === 'latest') return { id: MessageId.latest, rollbackSeconds: 0, filter: undefined };
  if (MessageId.is(position)) {
    return { id: position.firstChunk ?? position, rollbackSeconds: 0, filter: { id: position, inclusive } };
  }
  // The broker goes back from now; a second more, since it counts in whole ones.
  const rollbackSeconds = Math.max(1, Math.ceil((Date.now() - position.timeMs) / 1000));
  return { id: MessageId.latest, rollbackSeconds, filter: undefined };
}
