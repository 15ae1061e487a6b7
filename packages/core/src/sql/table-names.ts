import { PaystreamError } from '../errors/paystream-error.ts';
import type { TableNames } from './port.ts';

/** The prefix of the tables, unless another is given. */
const defaultTablePrefix = 'paystream_';

/** Names of tables with a prefix. Throws `INVALID_ARGUMENT` for one that is not of letters, digits and underscores. */
export function tableNames(prefix: string = defaultTablePrefix): TableNames {
  if (!/^(?:[a-z_][a-z0-9_]{0,30})?$/i.test(prefix)) {
    throw new PaystreamError(
      'INVALID_ARGUMENT',
      `tablePrefix is ${JSON.stringify(prefix)}: use at most 31 letters, digits and underscores, not beginning with a digit`,
      { reason: 'INVALID_TABLE_PREFIX' },
    );
  }
  return (name) => prefix + name;
}
