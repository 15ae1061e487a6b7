// The API reference: every entry point of every package, and every public export documented.
import { globSync, readFileSync } from 'node:fs';
import { Converter, OptionDefaults, ReflectionKind } from 'typedoc';

/** Source file of each entry point → what users import: `@paystream/core/sql`. */
const entries = new Map(
  globSync('packages/*/package.json')
    .sort()
    .flatMap((manifest) => {
      const { name, exports } = JSON.parse(readFileSync(manifest, 'utf8'));
      const folder = manifest.replaceAll('\\', '/').replace('package.json', '');
      return Object.entries(exports)
        .filter(([, target]) => typeof target !== 'string')
        .map(([path, target]) => [folder + target['paystream-source'].slice(2), name + path.slice(1)]);
    }),
);

/** Of each package, not of the workspace that holds them: TypeDoc asks nothing of other packages unless they are named. */
const packages = [...new Set([...entries.values()].map((specifier) => specifier.split('/', 2).join('/')))];

/** Calls modules by what users import instead of by their files. */
function nameModules(app) {
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_context, reflection) => {
    if (!reflection.kindOf(ReflectionKind.Module)) return;
    for (const [file, specifier] of entries) {
      if (file === `packages/${reflection.name}.ts` || file === `packages/${reflection.name}/index.ts`) reflection.name = specifier;
    }
  });
}

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  name: 'Paystream',
  entryPoints: [...entries.keys()],
  tsconfig: 'tsconfig.packages.json',
  skipErrorChecking: true,
  plugin: ['typedoc-plugin-markdown', nameModules],
  out: 'docs/api',
  readme: 'none',
  disableSources: true,
  excludeExternals: true,
  excludePrivate: true,
  blockTags: [...OptionDefaults.blockTags, '@generated'],
  excludeTags: [...OptionDefaults.excludeTags, '@generated'],
  validation: { notExported: false, invalidLink: true, notDocumented: true },
  packagesRequiringDocumentation: packages,
  // Not of every property: some names say all there is to say.
  requiredToBeDocumented: ['Enum', 'EnumMember', 'Variable', 'Function', 'Class', 'Interface', 'Method', 'Accessor', 'TypeAlias'],
  treatWarningsAsErrors: true,
};
