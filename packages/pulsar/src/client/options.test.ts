import { expect, it } from 'vitest';
import { createPulsarClient } from './client.ts';

it.each([
  ['a service without TLS', { serviceUrl: 'pulsar://broker:6650', proxyServiceUrl: 'pulsar+ssl://proxy:4443' }],
  ['a proxy without TLS', { serviceUrl: 'pulsar+ssl://broker:6651', proxyServiceUrl: 'pulsar://proxy:4443' }],
  ['two proxies', { serviceUrl: 'pulsar+ssl://broker:6651', proxyServiceUrl: 'pulsar+ssl://proxy-1,proxy-2' }],
  ['no proxy at all', { serviceUrl: 'pulsar+ssl://broker:6651', proxyServiceUrl: 'proxy' }],
  ['another protocol', { serviceUrl: 'pulsar+ssl://broker:6651', proxyServiceUrl: 'pulsar+ssl://proxy', proxyProtocol: 'http' as 'sni' }],
])('refuses an SNI proxy with %s before anything is sent past it', (_, options) => {
  expect(() => createPulsarClient(options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
});

it('refuses a broker that an SNI proxy could not find, for it has no name', async () => {
  await using client = createPulsarClient({ serviceUrl: 'pulsar+ssl://127.0.0.1:1', proxyServiceUrl: 'pulsar+ssl://127.0.0.1:2' });
  await expect(client.partitionsOf('t')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});
