import { parseTopicName } from '../lookup/topic-name.ts';
import { invalid } from './options.ts';

/** A pattern of topic names taken apart. */
export interface TopicPattern {
  /** `tenant/namespace` */
  readonly namespace: string;
  /** What a broker can match by: the expression over `tenant/namespace/topic`. `undefined`: only this client can, since it has flags. */
  readonly text: string | undefined;
  /** Whether a full topic name fits, of a partition that of its topic. Topics of the system never do. */
  matches(topic: string): boolean;
}

/** Takes a pattern apart. Throws `INVALID_ARGUMENT`. */
export function parseTopicPattern(pattern: string | RegExp): TopicPattern {
  const given = typeof pattern === 'string' ? pattern : pattern.source.replaceAll('\\/', '/');
  const flags = typeof pattern === 'string' ? '' : pattern.flags.replaceAll(/[gy]/g, '');
  const bare = given
    .replace(/^\^/, '')
    .replace(/\$$/, '')
    .replace(/^[a-z-]+:\/\//, '');
  const parts = bare.split('/');
  const whole = parts.length < 3 ? `public/default/${bare}` : bare;
  const [tenant = '', namespace = ''] = whole.split('/');
  for (const part of [tenant, namespace]) {
    if (!/^[\w.:=-]+$/.test(part)) {
      throw invalid('topicsPattern', given, `tenant and namespace must be plain text, which "${part}" is not: public/default/orders-.*`);
    }
  }
  let expression: RegExp;
  try {
    expression = new RegExp(`^(?:${whole})$`, flags);
  } catch (error) {
    throw invalid('topicsPattern', given, `it is no regular expression (${String(error)})`);
  }
  return {
    namespace: `${tenant}/${namespace}`,
    text: flags === '' ? whole : undefined,
    matches: (topic) => {
      const { base, localName } = parseTopicName(topic);
      return !localName.startsWith('__') && expression.test(base.slice(base.indexOf('://') + 3));
    },
  };
}
