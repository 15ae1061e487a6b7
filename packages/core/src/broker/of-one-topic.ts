/**
 * What brokers say of the one topic that somebody publishes to, and not of what is published there: somebody has to create it, or to
 * permit it, or somebody else has it for himself. Other topics go on meanwhile, so this is no outage.
 */
export const ofOneTopic: ReadonlySet<string> = new Set([
  'TOPIC_NOT_FOUND',
  'TOPIC_TERMINATED',
  'SUBSCRIPTION_NOT_FOUND',
  'PULSAR_NOT_AUTHORIZED',
  'PULSAR_FORBIDS_IT',
  'PRODUCER_BUSY',
  'PRODUCER_FENCED',
  'INCOMPATIBLE_SCHEMA',
]);
