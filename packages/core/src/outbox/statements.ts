import type { Database, SqlDialect, TableNames } from '../sql/port.ts';

/** The statements of the outbox. Those with `live` take what {@link liveParameters} gives in its place. */
export interface OutboxStatements {
  /** epoch, seq, added_at, events, content */
  readonly insert: string;
  /** epoch, seqs */
  readonly remove: string;
  /** epoch, after seq, limit */
  readonly scan: string;
  /** epoch, seqs */
  readonly read: string;
  /** epoch, seqs: which of them are committed */
  readonly present: string;
  /** epoch, owner, lease in ms */
  readonly claim: string;
  /** epoch, live: makes room for a claim where the owner is gone */
  readonly unclaim: string;
  /** lease in ms, owner */
  readonly renew: string;
  /** owner */
  readonly owned: string;
  /** epoch */
  readonly release: string;
  /** own epoch, live, own epoch, live */
  readonly orphans: string;
  /** live: epochs of which nothing is left */
  readonly tidy: string;
}

/** Writes the statements for a database; an exclusive one knows who lives better than leases tell. */
export function outboxStatements(database: Database): OutboxStatements {
  return write(database.tables, database.dialect, database.exclusive);
}

function write(tables: TableNames, dialect: SqlDialect, exclusive: boolean): OutboxStatements {
  const rows = tables('outbox');
  const epochs = tables('outbox_epochs');
  const live = exclusive ? `owner IN ${dialect.inJson}` : `lease_until > ${dialect.nowMs}`;
  const orphans = (side: '<' | '>'): string =>
    `SELECT DISTINCT epoch FROM ${rows} WHERE epoch ${side} ? AND epoch NOT IN (SELECT epoch FROM ${epochs} WHERE ${live})`;
  return {
    insert: `INSERT INTO ${rows} (epoch, seq, added_at, events, content) VALUES (?, ?, ?, ?, ?)`,
    remove: `DELETE FROM ${rows} WHERE epoch = ? AND seq IN ${dialect.inJson}`,
    scan: `SELECT seq, added_at, events FROM ${rows} WHERE epoch = ? AND seq > ? ORDER BY seq LIMIT ?`,
    read: `SELECT seq, content FROM ${rows} WHERE epoch = ? AND seq IN ${dialect.inJson}`,
    present: `SELECT seq FROM ${rows} WHERE epoch = ? AND seq IN ${dialect.inJson} ORDER BY seq`,
    claim: `${dialect.insertOrIgnore(epochs, ['epoch', 'owner', 'lease_until'])}`,
    unclaim: `DELETE FROM ${epochs} WHERE epoch = ? AND NOT (${live})`,
    renew: `UPDATE ${epochs} SET lease_until = ${dialect.nowMs} + ? WHERE owner = ?`,
    owned: `SELECT epoch FROM ${epochs} WHERE owner = ?`,
    release: `DELETE FROM ${epochs} WHERE epoch = ? AND owner = ?`,
    orphans: `${orphans('<')} UNION ${orphans('>')} ORDER BY epoch`,
    tidy: `DELETE FROM ${epochs} WHERE NOT (${live}) AND epoch NOT IN (SELECT epoch FROM ${rows})`,
  };
}
