import { PulsarError } from '../errors/pulsar-error.ts';
import { ByteReader, readText } from './byte-reader.ts';
import { checkProperty, noProperties, type Properties, readProperties } from './properties.ts';

/**
 * Goes through the messages of a batch without making anything of them but what is asked for.
 *
 * ```ts
 * const batch = new BatchReader(payload, metadata.numMessagesInBatch);
 * while (batch.next()) use(batch.index, batch.partitionKey, batch.payload);
 * ```
 *
 * Keys, properties and payload are made when read; the payload is a part of the batch's buffer.
 */
export class BatchReader {
  /** How many messages there should be. Nobody has checked it: memory must not be taken by it. */
  readonly count: number;
  /** Which message this is, from 0. */
  index = -1;
  /** Removed by compaction. */
  compactedOut = false;
  /** In milliseconds since the epoch; 0: none. */
  eventTime = 0;
  partitionKeyB64Encoded = false;
  /** -1 if absent. */
  sequenceId = -1;
  nullValue = false;
  nullPartitionKey = false;
  /** Where the payload starts in the buffer, and where it ends. */
  payloadStart = 0;
  payloadEnd = 0;
  readonly #reader: ByteReader;
  readonly #end: number;
  #metadataStart = 0;
  #keyStart = -1;
  #keyEnd = -1;
  #orderingStart = -1;
  #orderingEnd = -1;
  #hasProperties = false;

  /** `block` is the payload of an entry, decompressed. */
  constructor(block: Buffer, count: number) {
    this.count = count;
    this.#reader = new ByteReader(block);
    this.#end = block.length;
  }

  /** Goes to the next message; `false` if there was none. Throws `CORRUPT` if the batch is not one, or holds fewer messages than it says. */
  next(): boolean {
    if (this.index + 1 >= this.count) return false;
    const reader = this.#reader;
    const { buffer } = reader;
    const start = this.payloadEnd + 4;
    if (start > this.#end) throw corrupt(this.index + 1, this.count);
    const size =
      (buffer[start - 4] as number) * 0x100_0000 +
      (((buffer[start - 3] as number) << 16) | ((buffer[start - 2] as number) << 8) | (buffer[start - 1] as number));
    if (start + size > this.#end) throw corrupt(this.index + 1, this.count);
    reader.at = start;
    reader.end = start + size;
    const payloadSize = this.#readMetadata(reader);
    if (payloadSize < 0 || reader.end + payloadSize > this.#end) throw corrupt(this.index + 1, this.count);
    this.#metadataStart = start;
    this.payloadStart = reader.end;
    this.payloadEnd = reader.end + payloadSize;
    this.index += 1;
    return true;
  }

  #readMetadata(reader: ByteReader): number {
    let payloadSize = -1;
    this.compactedOut = false;
    this.eventTime = 0;
    this.partitionKeyB64Encoded = false;
    this.sequenceId = -1;
    this.nullValue = false;
    this.nullPartitionKey = false;
    this.#keyStart = -1;
    this.#orderingStart = -1;
    this.#hasProperties = false;
    while (reader.at < reader.end) {
      const tag = reader.uint32();
      switch (tag) {
        case 0x0a:
          this.#hasProperties = true;
          checkProperty(reader);
          break;
        case 0x12: {
          const until = reader.length();
          this.#keyStart = reader.at;
          this.#keyEnd = until;
          reader.at = until;
          break;
        }
        case 0x18:
          payloadSize = reader.int32();
          break;
        case 0x20:
          this.compactedOut = reader.bool();
          break;
        case 0x28:
          this.eventTime = reader.number();
          break;
        case 0x30:
          this.partitionKeyB64Encoded = reader.bool();
          break;
        case 0x3a: {
          const until = reader.length();
          this.#orderingStart = reader.at;
          this.#orderingEnd = until;
          reader.at = until;
          break;
        }
        case 0x40:
          this.sequenceId = reader.number();
          break;
        case 0x48:
          this.nullValue = reader.bool();
          break;
        case 0x50:
          this.nullPartitionKey = reader.bool();
          break;
        default:
          reader.skip(tag & 7);
      }
    }
    return payloadSize;
  }

  get partitionKey(): string | undefined {
    return this.#keyStart < 0 ? undefined : readText(this.#reader.buffer, this.#keyStart, this.#keyEnd);
  }

  get orderingKey(): Buffer | undefined {
    return this.#orderingStart < 0 ? undefined : this.#reader.buffer.subarray(this.#orderingStart, this.#orderingEnd);
  }

  get properties(): Properties {
    if (!this.#hasProperties) return noProperties;
    return readProperties(this.#reader.reset(this.#reader.buffer, this.#metadataStart, this.payloadStart), 0x0a);
  }

  get payload(): Buffer {
    return this.#reader.buffer.subarray(this.payloadStart, this.payloadEnd);
  }
}

function corrupt(index: number, count: number): PulsarError {
  return new PulsarError('CORRUPT', `message ${index} of a batch of ${count} is malformed`);
}
