import { systemClock } from '@paystream/core';
import { msFromTimestamp } from '@paystream/core/contracts';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { logEntryOfPinoLine } from './pino-line.ts';
import { createRedactor } from './redact.ts';

const nowMs = Date.UTC(2026, 0, 1);

const timeOf = (line: string): number => {
  const context = { service: 'checkout', redactor: createRedactor(), nextId: () => 'e-1', nowMs: () => nowMs };
  return msFromTimestamp(logEntryOfPinoLine(line, context).eventTime);
};

describe('the time of a line', () => {
  it.each(['epochTime', 'unixTime', 'isoTime'] as const)(
    "is not lost to another age with pino's %s, so that the line is kept",
    (format) => {
      const lines: string[] = [];
      const before = systemClock.now();
      pino({ timestamp: pino.stdTimeFunctions[format] }, { write: (line) => void lines.push(line) }).info('hello');
      expect(Math.abs(timeOf(lines[0] ?? '') - before)).toBeLessThan(60_000);
    },
  );

  it.each([
    ['seconds', '1764000000', 1_764_000_000_000],
    ['parts of seconds', '1764000000.25', 1_764_000_000_250],
    ['milliseconds', '1764000000000', 1_764_000_000_000],
    ['text', '"1971-01-01T00:00:00Z"', 31_536_000_000],
  ])('is what the line says in %s', (_, time, expected) => {
    expect(timeOf(`{"time":${time},"msg":"x"}`)).toBe(expected);
  });

  it.each(['0', '-1', '1764000000000000', '253402300800000', '"+012026-01-01T00:00:00Z"', '"yesterday"', 'true'])(
    'is that of its arrival where the line says %s, so that no clean-up takes it and every table has a day for it',
    (time) => {
      expect(timeOf(`{"time":${time},"msg":"x"}`)).toBe(nowMs);
    },
  );
});
