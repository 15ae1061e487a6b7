import { type Delivery, PaystreamError, type Topic } from '@paystream/core';
import { characterCount } from '@paystream/core/contracts';
import { type Contact, type ContactSource, findContacts } from '../contacts/contacts.ts';
import { singleLine, type Template } from '../template/template.ts';
import type { DeliveryIds, PendingDelivery } from './pending-delivery.ts';

const longestName = 128;

/** What an event is about, for the delivery log. */
export interface EventSubject {
  readonly orderId?: string | undefined;
  readonly merchantId?: string | undefined;
}

/** Says which events are told to whom, and how. */
export interface NotificationRule<T> {
  /** The topic whose events are told of. */
  readonly on: Topic<T, never>;
  /** Which of them. Default: all. */
  readonly when?: (event: T) => boolean;
  /** Whom. An event without a contact is told to nobody. */
  readonly to: ContactSource<T>;
  /** What, for each channel by its name in the notifier. */
  readonly templates: Readonly<Record<string, Template<T>>>;
  /** The order and merchant that an event is about. Default: its `orderId` and `merchantId`, if it has them. */
  readonly about?: (event: T) => EventSubject;
}

/** A rule of any type of event. */
export type AnyRule = NotificationRule<never>;

/** A delivery that a rule asks for. */
export interface WantedDelivery {
  readonly channel: string;
  readonly delivery: PendingDelivery;
}

function subjectOf(event: unknown): EventSubject {
  if (typeof event !== 'object' || event === null) return {};
  const { orderId, merchantId } = event as { readonly orderId?: unknown; readonly merchantId?: unknown };
  return {
    orderId: typeof orderId === 'string' ? orderId : undefined,
    merchantId: typeof merchantId === 'string' ? merchantId : undefined,
  };
}

/** Throws `INVALID_ARGUMENT` if a rule names a channel that there is not. */
export function checkRules(rules: readonly AnyRule[], channels: readonly string[]): void {
  for (const rule of rules) {
    for (const name of Object.keys(rule.templates)) {
      if (channels.includes(name)) continue;
      throw new PaystreamError(
        'INVALID_ARGUMENT',
        `a rule on ${rule.on.name} has a template for the channel "${name}"; there are ${channels.join(', ') || 'none'}`,
        { reason: 'UNKNOWN_CHANNEL', details: { channel: name, topic: rule.on.name } },
      );
    }
  }
}

/** Throws `INVALID_ARGUMENT` for a name that is longer than the columns of deliveries and counts. */
export function checkNames(instance: string, channels: readonly string[]): void {
  const named: readonly (readonly [what: string, name: string])[] = [
    ['an instance', instance],
    ...channels.map((channel) => ['a channel', channel] as const),
  ];
  for (const [what, name] of named) {
    const length = characterCount(name);
    if (length <= longestName) continue;
    throw new PaystreamError('INVALID_ARGUMENT', `the name of ${what} of a notifier has ${length} characters; it may have ${longestName}`, {
      reason: 'INVALID_NOTIFIER_OPTION',
    });
  }
}

/** The rules of each topic. */
export function rulesByTopic(rules: readonly AnyRule[]): ReadonlyMap<string, readonly AnyRule[]> {
  const byTopic = new Map<string, AnyRule[]>();
  for (const rule of rules) {
    const there = byTopic.get(rule.on.name);
    if (there === undefined) byTopic.set(rule.on.name, [rule]);
    else there.push(rule);
  }
  return byTopic;
}

function deliveryOf(
  source: Delivery<never>,
  contact: Contact,
  template: Template<never>,
  deliveryId: string,
  recipient: string,
  subject: EventSubject,
  nowMs: number,
): PendingDelivery {
  const rendered = template.render(source.value, contact);
  return {
    message: {
      deliveryId,
      eventId: source.eventId,
      recipient,
      subject: rendered.subject === undefined ? undefined : singleLine(rendered.subject),
      text: rendered.text,
      html: rendered.html,
      orderId: subject.orderId ?? '',
      merchantId: subject.merchantId ?? '',
    },
    trace: source.traceparent === undefined ? undefined : { traceparent: source.traceparent, tracestate: source.tracestate },
    atMostOnce: template.onUnknown === 'at-most-once',
    tries: 0,
    createdAtMs: nowMs,
  };
}

/** The deliveries that one rule asks for. Throws what its functions throw. */
export async function deliveriesOf(
  rule: AnyRule,
  batch: readonly Delivery<never>[],
  ids: DeliveryIds,
  nowMs: number,
): Promise<readonly WantedDelivery[]> {
  const { when } = rule;
  const matching = when === undefined ? batch : batch.filter((source) => when(source.value));
  if (matching.length === 0) return [];
  const contacts = await findContacts(
    rule.to,
    matching.map((source) => source.value),
  );
  const templates = Object.entries(rule.templates);
  const about: (event: never) => EventSubject = rule.about ?? subjectOf;
  return matching.flatMap((source, index) => {
    const contact = contacts[index];
    if (contact === undefined) return [];
    const subject = about(source.value);
    return templates.flatMap(([channel, template]) => {
      const recipient = contact.addresses[channel];
      if (recipient === undefined || recipient === '') return [];
      const id = ids(source.eventId, channel, recipient);
      return [{ channel, delivery: deliveryOf(source, contact, template, id, recipient, subject, nowMs) }];
    });
  });
}
