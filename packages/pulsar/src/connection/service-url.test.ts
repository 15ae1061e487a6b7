import { describe, expect, it } from 'vitest';
import { formatHostPort, parseHostPort, parseServiceUrl } from './service-url.ts';

describe('a service URL', () => {
  it('may name several hosts, with ports by scheme', () => {
    expect(parseServiceUrl('pulsar://a,b:1;[::1]:7,[fe80::2]/')).toEqual({
      tls: false,
      hosts: [
        { host: 'a', port: 6650 },
        { host: 'b', port: 1 },
        { host: '::1', port: 7 },
        { host: 'fe80::2', port: 6650 },
      ],
    });
    expect(parseServiceUrl(' pulsar+ssl://h ')).toEqual({ tls: true, hosts: [{ host: 'h', port: 6651 }] });
  });

  it.each([
    '',
    'localhost:6650',
    'http://localhost:8080',
    'kafka://x',
    'pulsar://',
    'pulsar://a,',
    'pulsar://a:0',
    'pulsar://a:99999',
    'pulsar://a:b',
    'pulsar://u@h:1/x',
    'pulsar://a/path',
  ])('is refused with what is wrong: "%s"', (text) => {
    expect(() => parseServiceUrl(text)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it.each([
    'pulsar://user:hunter2@host:6650',
    'pulsar://a,user:hunter@2@host',
    'pulsar://user:hunter,2@host',
    'user:hunter2@host',
    'http://user:hunter2@host',
  ])('is refused without the password that somebody put there: "%s"', (text) => {
    const refusal = (): unknown => parseServiceUrl(text);
    expect(refusal).toThrow('(secret)@host');
    expect(refusal).not.toThrow('hunter');
  });

  it('writes addresses as it reads them', () => {
    for (const text of ['a:1', '[::1]:2']) expect(formatHostPort(parseHostPort(text, 0))).toBe(text);
  });
});
