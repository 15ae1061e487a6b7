import { type AdminAnswer, type AdminHttp, path } from './http.ts';
import type { AdminMessageId } from './stats.ts';
import { topicPath } from './topics.ts';

/** Where a subscription starts, or is set to. */
export type AdminPosition = 'earliest' | 'latest' | AdminMessageId;

/** What the admin API does with the subscriptions of a topic. */
export interface SubscriptionAdmin {
  /** Names of the subscriptions. */
  list(topic: string): Promise<readonly string[]>;
  /** Creates a subscription. Default position: `latest`. Rejects with `BROKER` (HTTP 409) if it exists. */
  create(topic: string, subscription: string, position?: AdminPosition): Promise<void>;
  /** Deletes a subscription. `force`: even with consumers connected. */
  delete(topic: string, subscription: string, options?: { readonly force?: boolean }): Promise<void>;
  /** Sets a subscription to a time, in milliseconds since 1970, or to a place: it delivers again from there. */
  reset(topic: string, subscription: string, to: { readonly timeMs: number } | { readonly messageId: AdminMessageId }): Promise<void>;
  /** Passes over so many messages of the backlog, or over all. */
  skip(topic: string, subscription: string, messages: number | 'all'): Promise<void>;
  /** The entry at a place of the backlog, from 1, as it is stored. Nothing is acknowledged. */
  peek(topic: string, subscription: string, position?: number): Promise<AdminAnswer>;
}

const longs = { earliest: '-1', latest: '9223372036854775807' } as const;

/** The calls about subscriptions. */
export function createSubscriptionAdmin(http: AdminHttp): SubscriptionAdmin {
  function at(topic: string, subscription: string, ...more: readonly string[]): string {
    return `${topicPath(topic, 'subscription')}/${encodeURIComponent(subscription)}${path(...more)}`;
  }

  function positionBody(position: AdminPosition): unknown {
    if (typeof position !== 'string') return { partitionIndex: -1, ...position };
    // Text: the largest number of Java is not one of JavaScript's, and Java reads text as a number.
    return { ledgerId: longs[position], entryId: longs[position], partitionIndex: -1 };
  }

  return {
    list: (topic) => http.json({ method: 'GET', path: topicPath(topic, 'subscriptions') }),
    async create(topic, subscription, position = 'latest') {
      await http.send({ method: 'PUT', path: at(topic, subscription), body: positionBody(position) });
    },
    async delete(topic, subscription, { force = false } = {}) {
      await http.send({ method: 'DELETE', path: at(topic, subscription), query: { force } });
    },
    async reset(topic, subscription, to) {
      if ('timeMs' in to) await http.send({ method: 'POST', path: at(topic, subscription, 'resetcursor', String(to.timeMs)) });
      else await http.send({ method: 'POST', path: at(topic, subscription, 'resetcursor'), body: positionBody(to.messageId) });
    },
    async skip(topic, subscription, messages) {
      const what = messages === 'all' ? ['skip_all'] : ['skip', String(messages)];
      await http.send({ method: 'POST', path: at(topic, subscription, ...what) });
    },
    peek: (topic, subscription, position = 1) => http.send({ method: 'GET', path: at(topic, subscription, 'position', String(position)) }),
  };
}
