import { describe, expect, it } from 'vitest';
import { fromStoredTrace, toStoredTrace } from './stored-trace.ts';

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe('a trace context that is stored', () => {
  it('comes back, so that what happens later can be linked with it', () => {
    expect(toStoredTrace({ traceparent, tracestate: 'shop=1' })).toBe(traceparent);
    expect(fromStoredTrace(traceparent)).toEqual({ traceparent });
    expect(toStoredTrace({ traceparent: ` ${traceparent} ` })).toBe(traceparent);
  });

  it('of a version to come loses what this version does not know, and not its place in the trace', () => {
    const next = traceparent.replace('00-', 'cc-');
    expect(toStoredTrace({ traceparent: `${next}-more` })).toBe(next);
  });

  it.each([undefined, '', 'nonsense', `${traceparent}-more`, `${traceparent}0`, traceparent.toUpperCase(), 'x'.repeat(400)])(
    'is never what a row has no room for: %s is none',
    (given) => {
      expect(toStoredTrace({ traceparent: given })).toBeNull();
    },
  );

  it('is none where the row was written by somebody who stores none', () => {
    expect(toStoredTrace(undefined)).toBeNull();
    expect(fromStoredTrace(null)).toBeUndefined();
  });
});
