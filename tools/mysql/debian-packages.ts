// Servers from Debian's "unstable", which alone has MySQL, and the newest MariaDB. Nothing is installed: apt resolves and checks
// what is needed in folders of its own, and the packages are laid out, with the libraries that they were made for, in the
// user's cache.
import { constants } from 'node:fs';
import { access, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run, runOrFail } from '../workspace.ts';

const suite = 'sid';
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** What to take from Debian. */
export interface DebianServer {
  readonly title: string;
  /** In the user's cache. */
  readonly folder: string;
  readonly packageName: string;
  /** Below `usr/sbin`. */
  readonly program: string;
  /** What to do where it cannot be had. */
  readonly otherwise: string;
}

/** A server that lies in the user's cache. */
export interface LaidOut {
  /** What would be `/usr` if it were installed. */
  readonly usr: string;
  /** Starts it, before any arguments. */
  readonly command: readonly string[];
  /** What there is, for people. */
  readonly description: string;
}

/** Where a machine with these lists of packages gets Debian's from. */
async function archiveIn(lists: readonly string[]): Promise<string | undefined> {
  const asked = ['indextargets', '--format', '$(ORIGIN) $(COMPONENT) $(REPO_URI)', 'Created-By: Packages'];
  const { stdout } = await run('apt-get', [...lists, ...asked]);
  return /^Debian main (\S+\/debian\/?)$/m.exec(stdout)?.[1];
}

/** Where this machine gets Debian's packages from. */
async function archive(folder: string): Promise<string> {
  let found = await archiveIn([]);
  if (found === undefined) {
    // A new machine has no lists yet.
    const lists = ['-o', `Dir::State::lists=${join(folder, 'lists')}`, '-o', 'APT::Sandbox::User='];
    await mkdir(join(folder, 'lists', 'partial'), { recursive: true });
    await run('apt-get', [...lists, 'update']);
    found = await archiveIn(lists);
  }
  if (found === undefined) throw new Error("this machine takes no packages from Debian's archive");
  return found;
}

/** Options of apt that keep it in a folder, away from what the machine has installed. */
function apart(folder: string): readonly string[] {
  const settings = {
    'Dir::Etc::sourcelist': join(folder, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'APT::Sandbox::User': '',
    'Debug::NoLocking': '1',
    'APT::Install-Recommends': '0',
    'Acquire::Retries': '3',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

async function fetchInto(target: string, { title, packageName, otherwise }: DebianServer): Promise<void> {
  const folder = `${target}.fetching-${process.pid}`;
  const options = apart(folder);
  try {
    for (const path of ['state/lists/partial', 'cache/archives/partial', 'root']) await mkdir(join(folder, path), { recursive: true });
    await writeFile(join(folder, 'status'), '');
    await writeFile(join(folder, 'sources.list'), `deb [signed-by=${keyring}] ${await archive(folder)} ${suite} main\n`);
    await runOrFail('apt-get', [...options, 'update', '--error-on=any']);
    // Into a machine with nothing, so that nothing of this one is counted on.
    await runOrFail('apt-get', [...options, 'install', '--yes', '--download-only', packageName], { timeoutMs: 600_000 });
    const archives = join(folder, 'cache', 'archives');
    for (const name of await readdir(archives)) {
      // Scripts are in Perl; the servers are not.
      if (name.endsWith('.deb') && !/^(lib)?perl/.test(name))
        await runOrFail('dpkg-deb', ['-x', join(archives, name), join(folder, 'root')]);
    }
    await rename(join(folder, 'root'), target).catch(async (error: unknown) => {
      // Complete or not there: another process may do the same at the same time.
      if (!(await isThere(target))) throw error;
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${title} is needed, and it could not be had from Debian's packages: ${otherwise}\n${why}`, { cause: error });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const isThere = (path: string): Promise<boolean> =>
  access(path, constants.R_OK).then(
    () => true,
    () => false,
  );

/** Lays out a server, once. Rejects with what to do otherwise where there is no Debian. */
export async function fromDebian(server: DebianServer): Promise<LaidOut> {
  const root = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'paystream', `${server.folder}-${suite}`);
  if (!(await isThere(root))) {
    await mkdir(join(root, '..'), { recursive: true });
    await fetchInto(root, server);
  }
  // Its libraries are newer than the machine's, so it is started by the loader that came with them.
  const libraries = (await readdir(join(root, 'usr', 'lib'))).find((name) => name.endsWith('-linux-gnu')) ?? '';
  const folder = join(root, 'usr', 'lib', libraries);
  const loader = (await readdir(folder)).find((name) => name.startsWith('ld-linux')) ?? '';
  const program = join(root, 'usr', 'sbin', server.program);
  const command = [join(folder, loader), '--library-path', folder, program];
  const { stdout } = await runOrFail(command[0] as string, [...command.slice(1), '--no-defaults', '--version']);
  return { usr: join(root, 'usr'), command, description: `${program} ${/Ver \S+/.exec(stdout)?.[0] ?? ''}` };
}
