import { redactCardNumbers } from './card-numbers.ts';

/**
 * Names whose values are never sent. Written in lower case without separators: `apikey` stands for `apiKey`, `api_key`,
 * `X-Api-Key`. A name of five letters or more counts wherever it occurs (`userPassword`), a shorter one as a whole word
 * (`pan`, `card_pan`, not `company`).
 */
export const defaultRedactedKeys: readonly string[] = [
  'password',
  'passwd',
  'passphrase',
  'pwd',
  'secret',
  'token',
  'authorization',
  'cookie',
  'credential',
  'apikey',
  'privatekey',
  'signature',
  'cardnumber',
  'pan',
  'cvv',
  'cvc',
  'cvv2',
  'cvc2',
  'pin',
  'track1',
  'track2',
  'iban',
  'accountnumber',
  'bankaccount',
];

/** What stands in place of a secret. */
export const redacted = '[redacted]';

/** Takes secrets out of what is logged. */
export interface Redactor {
  /** Whether the value under this name must not be sent. */
  isSecret(key: string): boolean;
  /** A text without card numbers, `Bearer` credentials, passwords in addresses, and `name=value` pairs of secret names. */
  text(text: string): string;
  /** A JSON value with the same done to it at any depth. */
  value(value: unknown): unknown;
}

const mostKeysRemembered = 10_000;

function words(key: string): string[] {
  return key
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/);
}

/** Makes a redactor for a list of names; see {@link defaultRedactedKeys} for how they are compared. */
export function createRedactor(keys: readonly string[] = defaultRedactedKeys): Redactor {
  const names = keys.map((key) => key.toLowerCase().replace(/[^a-z0-9]/g, '')).filter((name) => name !== '');
  const long = names.filter((name) => name.length >= 5);
  const short = new Set(names.filter((name) => name.length < 5));
  const known = new Map<string, boolean>();
  const pairs =
    long.length === 0 ? undefined : new RegExp(`((?:${long.join('|')})["']?\\s*[=:]\\s*["']?)(?!\\[redacted)[^\\s"',;&}]+`, 'gi');

  const decide = (key: string): boolean => {
    const parts = words(key);
    const joined = parts.join('');
    return parts.some((part) => short.has(part)) || short.has(joined) || long.some((name) => joined.includes(name));
  };

  const isSecret = (key: string): boolean => {
    let answer = known.get(key);
    if (answer === undefined) {
      answer = decide(key);
      if (known.size >= mostKeysRemembered) known.clear();
      known.set(key, answer);
    }
    return answer;
  };

  const text = (input: string): string => {
    let output = redactCardNumbers(input, redacted);
    output = output.replace(/\b(bearer|basic)\s+[\w.~+/=-]{6,}/gi, `$1 ${redacted}`);
    if (output.includes('://')) output = output.replace(/(:\/\/[^\s:/@]*:)[^\s@/]+@/g, `$1${redacted}@`);
    return pairs === undefined ? output : output.replace(pairs, `$1${redacted}`);
  };

  const value = (input: unknown): unknown => {
    if (typeof input === 'string') return text(input);
    if (typeof input === 'number' && Number.isSafeInteger(input)) return text(String(input)) === redacted ? redacted : input;
    if (Array.isArray(input)) return input.map(value);
    if (typeof input !== 'object' || input === null) return input;
    return Object.fromEntries(Object.entries(input).map(([key, inner]) => [key, isSecret(key) ? redacted : value(inner)]));
  };

  return { isSecret, text, value };
}
