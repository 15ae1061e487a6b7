import type { SqlValue } from '../sql/port.ts';
import type { Reply, Session } from './connection.ts';
import { runStatement } from './run-statement.ts';
import type { Statement } from './statement.ts';

/** A change of a schema waits so long for others that use the table, in seconds. */
const maxWaitSeconds = 2;

const asked = 'SELECT @@SESSION.lock_wait_timeout AS seconds';

/**
 * Runs a change of a schema. It waits until nobody uses the table, and everybody who comes after it waits behind it: by
 * default for a year on MySQL, behind a backup, or a long query. So it gives up soon, and leaves the session as it was.
 */
export async function runSchemaChange(session: Session, statement: Statement, parameters: readonly SqlValue[]): Promise<Reply> {
  const setTo = async (seconds: number): Promise<void> => {
    const text = `SET SESSION lock_wait_timeout = ${seconds}`;
    await session.run(text, text);
  };
  const { rows } = await session.run(asked, asked);
  const before = Number(rows[0]?.['seconds']);
  await setTo(Math.min(before, maxWaitSeconds));
  try {
    return await runStatement(session, statement, parameters);
  } finally {
    await setTo(before).catch(() => session.abandon());
  }
}
