import { expect, it } from 'vitest';
import { parseTopicName, partitionName } from './topic-name.ts';

it('completes short names as the broker does', () => {
  expect(parseTopicName('orders').full).toBe('persistent://public/default/orders');
  expect(parseTopicName('shop/eu/orders').full).toBe('persistent://shop/eu/orders');
  expect(parseTopicName('non-persistent://shop/eu/orders')).toMatchObject({
    domain: 'non-persistent',
    namespace: 'shop/eu',
    localName: 'orders',
  });
  expect(parseTopicName('persistent://t/cluster/ns/a/b')).toMatchObject({ namespace: 't/cluster/ns', localName: 'a/b' });
});

it('knows partitions by name', () => {
  expect(parseTopicName('orders-partition-12')).toMatchObject({ partition: 12, base: 'persistent://public/default/orders' });
  expect(parseTopicName('orders-partition-x').partition).toBe(-1);
  expect(parseTopicName('orders-partition-01').partition).toBe(-1);
  expect(partitionName('orders', 3)).toBe('persistent://public/default/orders-partition-3');
  expect(partitionName('orders-partition-1', 3)).toBe('persistent://public/default/orders-partition-3');
});

it.each(['', 'a/b', 'kafka://a/b/c', 'persistent://a/b', 'persistent://a//c', 'persistent://name', '/a/b'])('refuses "%s"', (text) => {
  expect(() => parseTopicName(text)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
});
