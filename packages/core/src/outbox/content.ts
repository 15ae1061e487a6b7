import { constants as zlib, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { type AddressedMessage, packMessages, unpackMessages } from '../broker/pack.ts';

/** Smaller ones gain less than a frame costs. */
const leastBytes = 512;
/** With which a frame begins: the version of packed messages is another number. */
const frame = 0x28;
/** Events of one transaction repeat each other, so that the fastest level leaves a tenth. */
const fast = { params: { [zlib.ZSTD_c_compressionLevel]: 1, [zlib.ZSTD_c_checksumFlag]: 1 } };

/** What a row holds, and how many bytes that is in memory. */
export interface Content {
  readonly content: Uint8Array;
  readonly bytes: number;
}

/** Puts messages into a row. What is compressed is sent, logged by the database and stored at less cost than compressing has. */
export function encodeContent(messages: readonly AddressedMessage[]): Content {
  const packed = packMessages(messages);
  return { content: packed.length < leastBytes ? packed : zstdCompressSync(packed, fast), bytes: packed.length };
}

/** Reads what {@link encodeContent} wrote. Throws for anything else. */
export function decodeContent(content: Uint8Array): { readonly messages: AddressedMessage[]; readonly bytes: number } {
  const packed = content[0] === frame ? zstdDecompressSync(content) : content;
  return { messages: unpackMessages(packed), bytes: packed.length };
}
