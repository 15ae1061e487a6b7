import { describe, expect, it } from 'vitest';
import { createMemoryTelemetry } from '../testing/memory-telemetry.ts';
import { combineTelemetry } from './combined.ts';
import { noTelemetry } from './port.ts';

describe('combined telemetry', () => {
  it('costs nothing more where there is none, or only one', () => {
    const one = createMemoryTelemetry();
    expect(combineTelemetry()).toBe(noTelemetry);
    expect(combineTelemetry(noTelemetry, one)).toBe(one);
  });

  it('tells all of them, and passes on the context of the first that traces', () => {
    const [first, second] = [createMemoryTelemetry(), createMemoryTelemetry()];
    const metrics = { ...createMemoryTelemetry(), tracing: false };
    const both = combineTelemetry(metrics, first, second);
    both.count('a', {}, 2);
    expect([metrics, first, second].map((one) => one.counter('a'))).toEqual([2, 2, 2]);
    const span = both.startSpan('outer');
    span.run(() => {
      expect(both.current()?.traceparent).toBe(span.traceparent);
      both.startSpan('inner', { parent: 'current' }).end();
      both.detached(() => expect(both.current()).toBeUndefined());
    });
    span.end();
    for (const { spans } of [first, second]) {
      expect(spans.map(({ name, ended }) => [name, ended])).toEqual([
        ['outer', true],
        ['inner', true],
      ]);
      expect(spans[1]?.parent?.traceparent).toBe(spans[0]?.traceparent);
    }
    expect(span.traceparent).toBe(first.spans[0]?.traceparent);
    expect(metrics.spans).toEqual([]);
  });
});
