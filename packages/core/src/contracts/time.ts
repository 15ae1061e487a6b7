import { create } from '@bufbuild/protobuf';
import { type Duration, type Timestamp, TimestampSchema } from '@bufbuild/protobuf/wkt';

/** A protobuf timestamp of milliseconds since the epoch. */
export function timestampFromMs(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1000);
  return create(TimestampSchema, { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1_000_000) });
}

/** Milliseconds since the epoch of a protobuf timestamp; 0 for an unset one. */
export function msFromTimestamp(timestamp: Timestamp | undefined): number {
  return timestamp === undefined ? 0 : Number(timestamp.seconds) * 1000 + Math.floor(timestamp.nanos / 1_000_000);
}

/** Milliseconds of a protobuf duration; `undefined` for an unset one. */
export function msFromDuration(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : Number(duration.seconds) * 1000 + Math.floor(duration.nanos / 1_000_000);
}
