import { beforeAll, expect, it } from 'vitest';
import { token } from '../connection/auth/static.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { freshTopic, realBroker } from '../testing/test-support.ts';
import { createPulsarAdmin, type PulsarAdmin } from './index.ts';

let admin: PulsarAdmin;
beforeAll(async () => {
  admin = createPulsarAdmin({ url: (await realBroker()).adminUrl });
});

async function failure(work: Promise<unknown>): Promise<PulsarError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!PulsarError.is(error)) throw new Error(`not a PulsarError: ${error}`);
  return error;
}

it('creates, lists, describes and deletes topics', async () => {
  const topic = freshTopic('with spaces & signs?');
  await admin.topics.create(topic);
  expect(await admin.topics.list('public/default')).toContain(topic);
  expect(await admin.topics.stats(topic)).toMatchObject({ msgInCounter: 0, publishers: [], subscriptions: {} });
  expect((await admin.topics.internalStats(topic)).numberOfEntries).toBe(0);
  expect(await admin.topics.partitions(topic)).toBe(0);
  await admin.topics.unload(topic);
  expect((await failure(admin.topics.create(topic))).serverError).toBe('HTTP 409');
  await admin.topics.delete(topic);
  expect(await failure(admin.topics.stats(topic))).toMatchObject({ code: 'TOPIC_NOT_FOUND', retryable: false });
});

it('creates partitions, adds some, and deletes them all', async () => {
  const topic = freshTopic();
  await admin.topics.createPartitioned(topic, 2);
  await admin.topics.updatePartitions(topic, 3);
  expect(await admin.topics.partitions(topic)).toBe(3);
  expect(await admin.topics.listPartitioned('public/default')).toContain(topic);
  expect(Object.keys((await admin.topics.partitionedStats(topic)).partitions)).toHaveLength(3);
  await admin.topics.delete(topic, { force: true });
  expect((await admin.topics.list('public/default')).filter((name) => name.startsWith(topic))).toEqual([]);
});

it('creates, resets, skips and deletes subscriptions', async () => {
  const topic = freshTopic();
  await admin.topics.create(topic);
  await admin.subscriptions.create(topic, 'early', 'earliest');
  await admin.subscriptions.create(topic, 'late/and odd');
  expect([...(await admin.subscriptions.list(topic))].sort()).toEqual(['early', 'late/and odd']);
  await admin.subscriptions.reset(topic, 'early', { timeMs: Date.now() });
  await admin.subscriptions.skip(topic, 'early', 'all');
  await admin.subscriptions.delete(topic, 'late/and odd');
  expect(await admin.subscriptions.list(topic)).toEqual(['early']);
  expect(await failure(admin.subscriptions.delete(topic, 'none'))).toMatchObject({ code: 'SUBSCRIPTION_NOT_FOUND' });
});

it('terminates and compacts topics and says where they are', async () => {
  const topic = freshTopic();
  await admin.topics.create(topic);
  expect(await admin.topics.compactionStatus(topic)).toBe('NOT_RUN');
  await admin.topics.compact(topic);
  expect((await admin.topics.lookup(topic)).brokerUrl).toMatch(/^pulsar:\/\/127\.0\.0\.1:\d+$/);
  expect(await admin.namespaces.bundles('public/default')).toContain(await admin.topics.bundle(topic));
  expect(await admin.topics.terminate(topic)).toMatchObject({ entryId: -1 });
});

it('sets the policies of a namespace', async () => {
  const namespace = `public/admin-${Date.now().toString(36)}`;
  await admin.namespaces.create(namespace, { bundles: 1 });
  await admin.namespaces.setDeduplication(namespace, true);
  await admin.namespaces.setRetention(namespace, { minutes: 10, megabytes: 5 });
  await admin.namespaces.setBacklogQuota(namespace, { bytes: 1_000, policy: 'producer_exception' });
  await admin.namespaces.setSchemaCompatibility(namespace, 'FULL');
  await admin.namespaces.setSchemaValidationEnforced(namespace, true);
  await admin.namespaces.setDelayedDelivery(namespace, { active: true, tickMs: 50 });
  await admin.namespaces.setAutoTopicCreation(namespace, { allowed: true, partitions: 3 });
  await admin.namespaces.setAutoSubscriptionCreation(namespace, false);
  expect(await admin.namespaces.policies(namespace)).toMatchObject({
    deduplicationEnabled: true,
    retention_policies: { retentionTimeInMinutes: 10, retentionSizeInMB: 5 },
    backlog_quota_map: { destination_storage: { limitSize: 1_000, policy: 'producer_exception' } },
    schema_compatibility_strategy: 'FULL',
    schema_validation_enforced: true,
    delayed_delivery_policies: { active: true, tickTime: 50 },
    autoTopicCreationOverride: { allowAutoTopicCreation: true, topicType: 'partitioned', defaultNumPartitions: 3 },
    autoSubscriptionCreationOverride: { allowAutoSubscriptionCreation: false },
  });
  await admin.namespaces.removeBacklogQuota(namespace);
  await admin.namespaces.unload(namespace);
  expect(await admin.namespaces.list('public')).toContain(namespace);
  await admin.namespaces.delete(namespace);
  expect(await admin.namespaces.list('public')).not.toContain(namespace);
});

it('knows whether brokers are well, and tenants', async () => {
  await admin.brokers.health();
  expect(await admin.brokers.version()).toBe('4.0.7');
  expect(await admin.brokers.configuration()).toMatchObject({ clusterName: 'standalone' });
  const tenant = `t${Date.now().toString(36)}`;
  await admin.tenants.create(tenant);
  expect(await admin.tenants.list()).toContain(tenant);
  await admin.tenants.delete(tenant);
});

it('shows credentials, and says what is wrong with them', async () => {
  const { adminUrl, secrets } = await realBroker('secure');
  const trusted = createPulsarAdmin({ url: adminUrl, authentication: token(secrets?.adminToken ?? '') });
  expect(await trusted.namespaces.list('public')).toContain('public/default');
  const stranger = createPulsarAdmin({ url: adminUrl, authentication: token('not.a.token') });
  expect(await failure(stranger.namespaces.list('public'))).toMatchObject({ code: 'AUTHENTICATION', serverError: 'HTTP 401' });
});

it('reports a server that is not there', async () => {
  const nowhere = createPulsarAdmin({ url: 'http://127.0.0.1:1' });
  expect(await failure(nowhere.brokers.health())).toMatchObject({ code: 'NOT_CONNECTED', retryable: true });
  expect(() => createPulsarAdmin({ url: 'pulsar://x' })).toThrow('is no admin URL');
});
