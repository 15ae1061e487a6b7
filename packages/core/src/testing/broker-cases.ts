import { cursorCases } from './broker-cursor-cases.ts';
import { lifecycleCases } from './broker-lifecycle-cases.ts';
import { publishCases } from './broker-publish-cases.ts';
import { readerCases } from './broker-reader-cases.ts';
import { redeliveryCases } from './broker-redelivery-cases.ts';
import { seekCases } from './broker-seek-cases.ts';
import { sharingCases } from './broker-sharing-cases.ts';
import type { BrokerCase } from './broker-subject.ts';

/**
 * What every `Broker` promises, for whoever writes an adapter. Topics are named by the subject, so the cases can share one
 * running broker; each gives what it waits for 15 seconds, by the subject's clock.
 *
 * @example
 * ```ts
 * for (const bound of bindCases(brokerCases, { abilities: ['delayedDelivery', 'deadLetter'], open, close })) {
 *   it.skipIf(bound.skip !== undefined)(bound.name, () => bound.run());
 * }
 * ```
 */
export const brokerCases: readonly BrokerCase[] = [
  ...publishCases,
  ...cursorCases,
  ...sharingCases,
  ...redeliveryCases,
  ...seekCases,
  ...readerCases,
  ...lifecycleCases,
];
