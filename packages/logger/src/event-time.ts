const latestMs = 253_402_300_799_999;

/** Whether an entry can have happened at a time, in milliseconds since the epoch: columns of days and protobuf's timestamps end with the year 9999. */
export function isEventTime(ms: number): boolean {
  return ms > 0 && ms <= latestMs;
}
