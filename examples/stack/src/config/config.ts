import { type FieldViolation, PaystreamError } from '@paystream/core';
import type { z } from 'zod';
import { type Given, readSecretFiles, secretOf } from './secret-files.ts';
import { fixedSecrets, secrets, settings } from './settings.ts';

type Settings = z.output<typeof settings>;

/** The stack's settings, read and checked; what follows from the profile is filled in. */
export interface Config extends Settings {
  readonly PAYSTREAM_BROKER: 'embedded' | 'pulsar';
  readonly PAYSTREAM_DATABASE: 'embedded' | 'mysql';
  readonly PAYSTREAM_PULSAR_URL: string;
}

/** Where a broker is that was started on this machine. */
const localPulsar = 'pulsar://127.0.0.1:6650';

/** What only means something with a collector. */
const ofCollector = ['OTEL_TRACES_SAMPLER', 'OTEL_TRACES_SAMPLER_ARG'];

const thisMachine = /^(localhost|::1|127(\.\d{1,3}){3})$/;

/** Fills in what the profile says. */
function withProfile(given: Settings): Config {
  const production = given.PAYSTREAM_PROFILE === 'production';
  return {
    ...given,
    PAYSTREAM_BROKER: given.PAYSTREAM_BROKER ?? (production ? 'pulsar' : 'embedded'),
    PAYSTREAM_DATABASE: given.PAYSTREAM_DATABASE ?? (production ? 'mysql' : 'embedded'),
    PAYSTREAM_PULSAR_URL: given.PAYSTREAM_PULSAR_URL ?? localPulsar,
  };
}

function topicFaults(config: Config): FieldViolation[] {
  const faults: FieldViolation[] = [];
  const topics = new Map<unknown, string>();
  for (const [field, name] of Object.entries(config)) {
    if (!field.startsWith('PAYSTREAM_TOPIC_')) continue;
    const other = topics.get(name);
    if (other !== undefined)
      faults.push({ field, description: `${JSON.stringify(name)}: is the name of ${other} too; each topic needs its own` });
    topics.set(name, field);
  }
  return faults;
}

/** What is missing for the servers that the settings ask for. */
function serverFaults(given: Settings, config: Config): FieldViolation[] {
  const faults: FieldViolation[] = [];
  const fault = (field: keyof Settings, description: string): void => {
    faults.push({ field, description });
  };
  if (given.PAYSTREAM_PROFILE === 'production') {
    if (config.PAYSTREAM_BROKER === 'embedded') fault('PAYSTREAM_BROKER', '"embedded": the production profile runs on "pulsar"');
    if (config.PAYSTREAM_DATABASE === 'embedded') fault('PAYSTREAM_DATABASE', '"embedded": the production profile runs on "mysql"');
    if (config.PAYSTREAM_BROKER === 'pulsar' && given.PAYSTREAM_PULSAR_URL === undefined)
      fault('PAYSTREAM_PULSAR_URL', `is needed by the production profile: where the broker is, such as ${localPulsar}`);
  }
  if (config.PAYSTREAM_DATABASE === 'mysql' && config.PAYSTREAM_MYSQL_URL === undefined)
    fault('PAYSTREAM_MYSQL_URL', 'is needed with MySQL: where the database is, such as mysql://user:password@127.0.0.1:3306/paystream');
  if (config.PAYSTREAM_PULSAR_TOKEN !== undefined && config.PAYSTREAM_PULSAR_TOKEN_FILE !== undefined)
    fault('PAYSTREAM_PULSAR_TOKEN_FILE', 'names a file, but PAYSTREAM_PULSAR_TOKEN is set too: give one of them');
  if (config.PAYSTREAM_MYSQL_CA !== undefined && config.PAYSTREAM_MYSQL_TLS === 'off')
    fault('PAYSTREAM_MYSQL_CA', 'is for encrypted connections: set PAYSTREAM_MYSQL_TLS=on too');
  if (config.PAYSTREAM_PULSAR_CA !== undefined && !config.PAYSTREAM_PULSAR_URL.startsWith('pulsar+ssl:'))
    fault('PAYSTREAM_PULSAR_CA', 'is for encrypted connections: PAYSTREAM_PULSAR_URL must begin with pulsar+ssl://');
  return faults;
}

/** What is wrong with settings that are right one by one. */
function faultsTogether(given: Settings, config: Config): FieldViolation[] {
  const faults = [...serverFaults(given, config), ...topicFaults(config)];
  const host = config.PAYSTREAM_HOST;
  if (config.PAYSTREAM_API_KEYS === undefined && !thisMachine.test(host)) {
    const description = `${JSON.stringify(host)}: other machines reach it, and anybody could place orders; set PAYSTREAM_API_KEYS too, or use 127.0.0.1`;
    faults.push({ field: 'PAYSTREAM_HOST', description });
  }
  return faults;
}

/** What is wrong between settings, of those that are right by themselves. Nothing that may only follow from a wrong one. */
function faultsBetween(given: Given, wrong: ReadonlySet<string>): FieldViolation[] {
  const right = settings.safeParse(Object.fromEntries(Object.entries(given).filter(([name]) => !wrong.has(name))));
  if (!right.success) return [];
  return faultsTogether(right.data, withProfile(right.data)).filter(
    ({ field, description }) => ![...wrong].some((name) => name === field || description.includes(name)),
  );
}

/** A value as it stands in a message: addresses may have a password in them. */
function shown(value: string | undefined): string {
  return JSON.stringify(value?.replace(/^([^/]*\/\/)?.*@/, '$1(secret)@'));
}

/** Reads the settings. Throws one `INVALID_ARGUMENT` that names every fault, unknown `PAYSTREAM_` names included. */
export function readConfig(environment: Given): Config {
  const { settings: all, faults: unread } = readSecretFiles(environment, fixedSecrets);
  // An empty value means "not set", as in `.env` files where the name stands with nothing behind it.
  const given = Object.fromEntries(
    Object.entries(all).filter(
      ([name, value]) => (name.startsWith('PAYSTREAM_') || name in settings.shape) && value !== undefined && value !== '',
    ),
  );
  // A machine may have these for all that runs on it: they are ours where there is a collector of ours.
  if (given['OTEL_EXPORTER_OTLP_ENDPOINT'] === undefined) for (const name of ofCollector) delete given[name];
  const unknown = Object.keys(given)
    .filter((name) => !(name in settings.shape))
    .map((name) => ({ field: name, description: 'there is no such setting' }));
  const result = settings.safeParse(given);
  const issues = new Map((result.error?.issues ?? []).map((issue) => [String(issue.path[0]), issue]));
  const wrong = [...issues].map(([field, issue]) => {
    const value = secrets.has(field) ? '(secret)' : shown(all[field]);
    return { field, description: `${value}: ${issue.message}` };
  });
  const between = faultsBetween(given, new Set([...issues.keys(), ...unread.map(({ field }) => secretOf(field))]));
  const violations = [...unread, ...wrong, ...unknown, ...between];
  if (!result.success || violations.length > 0) {
    const lines = violations.map((violation) => `  ${violation.field} ${violation.description}`);
    throw new PaystreamError('INVALID_ARGUMENT', `the settings are wrong; .env.example explains each:\n${lines.join('\n')}`, {
      reason: 'INVALID_SETTINGS',
      violations,
    });
  }
  return withProfile(result.data);
}
