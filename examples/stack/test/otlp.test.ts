import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defaultResource } from '@opentelemetry/resources';
import { createVirtualClock } from '@paystream/core/testing';
import { pino } from 'pino';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { collectorLog } from '../src/collector-log.ts';
import { readConfig } from '../src/config/config.ts';
import { openOtlp } from '../src/otlp.ts';
import { tracesSampler } from '../src/traces-sampler.ts';

/** A logger that keeps its lines. */
function createLines() {
  const lines: Record<string, unknown>[] = [];
  return { lines, logger: pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }) };
}

/** A collector that answers with a status and keeps what it gets. */
async function createCollector(status = 200) {
  const got: { readonly url: string; readonly body: Buffer }[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      got.push({ url: request.url ?? '', body: Buffer.concat(parts) });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { got, host: `127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

const open = (endpoint: string, settings: Record<string, string> = {}) => {
  const { lines, logger } = createLines();
  const config = readConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...settings });
  const otlp = openOtlp({ endpoint, resource: defaultResource(), sampler: tracesSampler(config), logger });
  return { lines, ...otlp };
};

describe('a collector', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Lets the timers of the SDK run, and what they send come back. */
  const pass = async (seconds: number, until: () => boolean = () => false): Promise<void> => {
    for (let tenths = 0; tenths < seconds * 10 && !until(); tenths++) {
      await vi.advanceTimersByTimeAsync(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  it.each(['is not there', 'refuses everything'])(
    'that %s is told of in the log, not with every export, and without its password',
    async (what) => {
      const collector = await createCollector(403);
      if (what === 'is not there') collector.close();
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
      const { lines, telemetry, close } = open(`http://me:hunter2@${collector.host}`);
      telemetry.startSpan('call').end();
      await pass(60, () => lines.length > 0);
      expect(lines).toMatchObject([
        { level: 40, endpoint: `http://${collector.host}`, reason: expect.stringMatching(/ECONNREFUSED|Forbidden/) },
      ]);
      for (let export_ = 0; export_ < 3; export_++) {
        telemetry.startSpan('call').end();
        await pass(10);
      }
      expect(lines).toHaveLength(1);
      vi.useRealTimers();
      telemetry.startSpan('call').end();
      await close();
      collector.close();
      expect(lines.map(({ msg }) => msg)).toEqual([
        'traces or metrics do not reach the collector',
        'the last traces or metrics could not be sent',
      ]);
      expect(JSON.stringify(lines)).not.toContain('hunter2');
    },
  );

  it('gets a link to each of the thousand messages of a batch', async () => {
    const collector = await createCollector();
    const { telemetry, close } = open(`http://${collector.host}`);
    const spanIdOf = (message: number): string => (message + 1).toString(16).padStart(16, '0');
    const links = Array.from({ length: 1_000 }, (_, message) => ({ traceparent: `00-${'a'.repeat(32)}-${spanIdOf(message)}-01` }));
    telemetry.startSpan('process orders', { kind: 'consumer', links }).end();
    await close();
    collector.close();
    const sent = Buffer.concat(collector.got.filter(({ url }) => url === '/v1/traces').map(({ body }) => body));
    expect(links.filter((_, message) => !sent.includes(Buffer.from(spanIdOf(message), 'hex')))).toEqual([]);
  });

  it('gets only the traces that the settings want it to', async () => {
    const collector = await createCollector();
    const { telemetry, close } = open(`http://${collector.host}`, { OTEL_TRACES_SAMPLER: 'always_off' });
    telemetry.startSpan('call').end();
    telemetry.count('paystream_orders_total', { outcome: 'placed' });
    await close();
    collector.close();
    expect(collector.got.map(({ url }) => url)).toEqual(['/v1/metrics']);
  });
});

describe('what OpenTelemetry says of itself', () => {
  it('stands in the log once a minute at most, and how often it was said meanwhile', async () => {
    const clock = createVirtualClock();
    const { lines, logger } = createLines();
    const log = collectorLog({ logger, clock, endpoint: 'http://collector:4318' });
    const traces = JSON.stringify({ stack: 'Error: …', message: 'connect ECONNREFUSED 10.0.0.7:4318', name: 'Error' });
    const metrics = JSON.stringify({ stack: 'Error: …', message: 'metrics export failed (error Error: connect …)', name: 'Error' });
    for (let second = 0; second < 150; second++) {
      log.error(second % 7 === 2 ? metrics : traces);
      await clock.advance(1_000);
    }
    expect(lines.map(({ reason, repeated }) => [reason, repeated])).toEqual([
      ['connect ECONNREFUSED 10.0.0.7:4318', 0],
      ['connect ECONNREFUSED 10.0.0.7:4318', 59],
      ['connect ECONNREFUSED 10.0.0.7:4318', 59],
    ]);
  });

  it('does not hide one fault behind another', () => {
    const { lines, logger } = createLines();
    const log = collectorLog({ logger, clock: createVirtualClock(), endpoint: 'http://collector:4318' });
    log.warn('Received Partial Success response:', '{"rejectedSpans":3}');
    log.warn('Dropped 12 spans because maxQueueSize reached');
    log.warn('Dropped 13 spans because maxQueueSize reached');
    log.error('OTLPExportDelegate', 'it threw', new Error('no room'));
    log.error(JSON.stringify({ stack: 'AggregateError: …', errors: '…', code: 'ECONNREFUSED', name: 'AggregateError' }));
    expect(lines.map(({ reason }) => reason)).toEqual([
      'Received Partial Success response: {"rejectedSpans":3}',
      'Dropped 12 spans because maxQueueSize reached',
      'OTLPExportDelegate it threw no room',
      'AggregateError ECONNREFUSED',
    ]);
  });
});

describe('the sampler', () => {
  it.each([
    [{}, 'ParentBased{root=AlwaysOnSampler, '],
    [{ OTEL_TRACES_SAMPLER: 'always_on' }, 'AlwaysOnSampler'],
    [{ OTEL_TRACES_SAMPLER: ' Always_Off ' }, 'AlwaysOffSampler'],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' }, 'TraceIdRatioBased{0.25}'],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio' }, 'TraceIdRatioBased{1}'],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_always_on' }, 'ParentBased{root=AlwaysOnSampler, '],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, 'ParentBased{root=AlwaysOffSampler, '],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' }, 'ParentBased{root=TraceIdRatioBased{0}, '],
  ])('is the one that %j asks for', (given, sampler) => {
    expect(`${tracesSampler(readConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', ...given }))}`).toContain(sampler);
  });
});
