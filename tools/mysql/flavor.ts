// What differs between the database servers that speak MySQL's protocol.
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** A server to test on. */
export type FlavorName = 'mariadb' | 'mariadb-newest' | 'mysql';

/** The programs of a server on this machine. */
export interface Programs {
  /** What there is, for people. */
  readonly description: string;
  /** Starts the server: a command and its first arguments, before settings. */
  readonly server: readonly string[];
  /** Makes a new data folder, whose `root` has no password. */
  install(data: string): readonly string[];
}

/** An account, and what it may do. */
export interface Account {
  readonly user: string;
  readonly password: string;
  readonly tlsRequired: boolean;
}

/** One of the servers. */
export interface Flavor {
  readonly title: string;
  /** Looks for its programs. Rejects with what to install if there are none. */
  find(): Promise<Programs>;
  /** Statements that make an account or change its password, one a line. */
  account(account: Account): readonly string[];
  /** Settings with which it leaves it to the system when to write to the disk; a log still holds each commit before it is answered. */
  readonly withoutSync: Readonly<Record<string, string>>;
  /** Settings with which sessions begin in the character set GBK whatever the client asks for; those of common users, at least. */
  readonly inGbk: Readonly<Record<string, string>>;
  /** Settings with which it says that it is a version too old to serve; `undefined` where none makes it say so. */
  readonly asOld: Readonly<Record<string, string>> | undefined;
}

/** As root the server must be told that this is meant. */
export const asRoot: readonly string[] = process.getuid?.() === 0 ? ['--user=root'] : [];

/** Debian puts servers where only root's path leads. */
const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin'];

/** The path of the first of these programs that there is, in the order of their names. */
export async function findProgram(...names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    for (const folder of folders) {
      const path = join(folder, name);
      const found = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (found) return path;
    }
  }
  return undefined;
}

/** A text as SQL writes it. */
export const quoted = (text: string): string => `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
