import type { Telemetry } from '@paystream/core';

/** Counts something that a person has to look into. */
export type Alarm = () => void;

/** Makes the count of alarms. It is there from the start: of a series that begins with its first alarm nobody sees an increase. */
export function createAlarm(telemetry: Telemetry, gateway: string): Alarm {
  const labels = { gateway };
  telemetry.count('paystream_payment_alarms_total', labels, 0);
  return () => telemetry.count('paystream_payment_alarms_total', labels);
}
