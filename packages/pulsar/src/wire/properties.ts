import type { PulsarError } from '../errors/pulsar-error.ts';
import { type ByteReader, malformed } from './byte-reader.ts';
import { type ByteWriter, stringBound } from './byte-writer.ts';
import { readName } from './names.ts';

/** Names and values that go with a message. */
export type Properties = Readonly<Record<string, string>>;

/** What a message without properties has. */
export const noProperties: Properties = Object.freeze({});

/** How many bytes they take at most, in fields with a number below 16. */
export function propertiesBound(properties: Properties | undefined): number {
  let bound = 0;
  if (properties !== undefined) {
    for (const name of Object.keys(properties)) bound += 8 + stringBound(name) + stringBound(properties[name] as string);
  }
  return bound;
}

/** Writes each as a field of that tag. */
export function writeProperties(writer: ByteWriter, tag: number, properties: Properties): void {
  for (const name of Object.keys(properties)) {
    writer.byte(tag);
    const start = writer.begin();
    writer.byte(0x0a);
    writer.string(name);
    writer.byte(0x12);
    writer.string(properties[name] as string);
    writer.end(start);
  }
}

/** Reads one name and value, at a length, and adds them: of equal names the last one counts. */
export function readProperty(reader: ByteReader, into: Record<string, string>): void {
  const outer = reader.end;
  reader.end = reader.length();
  let name: string | undefined;
  let value: string | undefined;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === 0x0a) name = readName(reader);
    else if (tag === 0x12) value = reader.string();
    else reader.skip(tag & 7);
  }
  reader.end = outer;
  if (name === undefined || value === undefined) throw incomplete();
  // Assigning to this name would set the object's prototype.
  if (name === '__proto__') Object.defineProperty(into, name, { value, enumerable: true, configurable: true, writable: true });
  else into[name] = value;
}

/** Passes over one name and value, at a length, and throws `CORRUPT` if `readProperty` would. */
export function checkProperty(reader: ByteReader): void {
  const outer = reader.end;
  reader.end = reader.length();
  let seen = 0;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === 0x0a) seen |= 1;
    else if (tag === 0x12) seen |= 2;
    reader.skip(tag & 7);
  }
  reader.end = outer;
  if (seen !== 3) throw incomplete();
}

function incomplete(): PulsarError {
  return malformed('a property without name or value');
}

/** Reads the properties out of serialized metadata. */
export function readProperties(reader: ByteReader, tag: number): Properties {
  let properties: Record<string, string> | undefined;
  while (reader.at < reader.end) {
    const found = reader.uint32();
    if (found === tag) {
      properties ??= {};
      readProperty(reader, properties);
    } else reader.skip(found & 7);
  }
  return properties ?? noProperties;
}
