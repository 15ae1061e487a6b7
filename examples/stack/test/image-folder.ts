import { execFile } from 'node:child_process';
import { chmod, chown, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { buildFiles, type ImageSettings, type Instruction, imageSettings, readDockerfile, root } from './dockerfile.ts';

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;

/** What the image would hold, in a folder, and how to run a command as its user. */
export interface ImageFolder extends AsyncDisposable {
  readonly settings: ImageSettings;
  /** The path here of an absolute path in the image, or in a stage of its building. */
  at(path: string, stage?: string): string;
  /** A command of the image, from its folder of work: what to start here, as its user if we may choose, and where. */
  command(args: readonly string[]): { readonly args: readonly string[]; readonly directory: string; readonly env: Record<string, string> };
}

/** The program of a user of the image: the same numbers, where we may be somebody else. */
function as(user: string, args: readonly string[]): readonly string[] {
  const [uid = '', gid = ''] = user.split(':');
  return isRoot && user !== '' ? ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--no-new-privs', ...args] : args;
}

/** Does what the Dockerfile says, line by line, with a folder for each stage where an engine would have a file system. */
export async function layOutImage(): Promise<ImageFolder> {
  const folder = await mkdtemp(join(tmpdir(), 'paystream-image-'));
  await chmod(folder, 0o755);
  // The programs of the base image: the Node that the tests run on. While it is built, npm has the settings of this machine.
  const building = Object.entries(process.env).filter(([name]) => !/^(PAYSTREAM_|NODE_ENV$|NODE_OPTIONS$)/.test(name));
  const inherited = { PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter), HOME: join(folder, 'home') };
  const stages = readDockerfile();

  const build = async (instructions: readonly Instruction[], here: string): Promise<void> => {
    let [directory, user, environment] = ['/', '', {}];
    const inStage = (path: string): string => join(here, path.startsWith('/') ? path : join(directory, path));
    for (const { name, options, rest } of instructions) {
      if (name === 'WORKDIR') {
        directory = rest;
        await mkdir(join(here, directory), { recursive: true });
      }
      if (name === 'USER') user = rest;
      if (name === 'ENV') environment = { ...environment, ...Object.fromEntries(rest.split(' ').map((pair) => pair.split('=', 2))) };
      if (name === 'RUN') {
        // Nobody but root may hand files to another.
        const script = rest.replaceAll(/(?<=\s)\//g, `${here}/`).replace(isRoot ? '' : /&& chown .*/, '');
        const [program = '', ...args] = as(user, ['sh', '-ec', script]);
        await run(program, args, {
          cwd: join(here, directory),
          env: { ...Object.fromEntries(building), PATH: inherited.PATH, ...environment },
          maxBuffer: 1e8,
        });
      }
      if (name === 'COPY') {
        const paths = rest.split(' ');
        const target = paths.pop() ?? '';
        for (const path of paths) {
          if (options['from'] !== undefined)
            await cp(join(folder, options['from'], path), inStage(target), { recursive: true, verbatimSymlinks: true });
          else for (const file of buildFiles(path)) await copyIn(file, path, inStage(target), target.endsWith('/'));
        }
        const [uid, gid] = (options['chown'] ?? '').split(':').map(Number);
        if (isRoot && uid !== undefined && gid !== undefined) await chown(inStage(target), uid, gid);
      }
    }
  };
  for (const stage of stages) await build(stage.instructions, join(folder, stage.name ?? 'image'));

  const last = stages.at(-1);
  if (last === undefined) throw new Error('the Dockerfile has no stage');
  const settings = imageSettings(last);
  const at = (path: string, stage = 'image'): string => join(folder, stage, path);
  const directory = at(last.instructions.find(({ name }) => name === 'WORKDIR')?.rest ?? '/');
  return {
    settings,
    at,
    command: (args) => ({
      args: as(
        settings.user,
        args.map((word) => (word === 'node' ? process.execPath : word)),
      ),
      directory,
      env: { ...inherited, ...settings.environment, PAYSTREAM_DATA_DIR: at(settings.environment['PAYSTREAM_DATA_DIR'] ?? '') },
    }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** A file of the repository goes into a folder by its name, or with a folder of which it is a part. */
async function copyIn(file: string, from: string, target: string, intoFolder: boolean): Promise<void> {
  const below = file === from ? '' : file.slice(from.length + 1);
  const name = below === '' && intoFolder ? basename(file) : below;
  await mkdir(dirname(join(target, name)), { recursive: true });
  await cp(join(root, file), join(target, name));
}
