// Finds where the sources of a package take time, randomness or settings from the platform, or print.
//
// A whole system of these packages runs in simulated time from a seed; one `Date.now()` on the way would end that. Files
// named `system-*.ts` are the adapters to the platform and may use it. The Pulsar client stands alone: it takes time and
// randomness from the platform; the system reaches it through an adapter.
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import ts from 'typescript';
import { root } from './workspace.ts';

/** A place that the rule forbids. */
export interface PlatformUse {
  /** Line, from 1. */
  readonly line: number;
  /** What stands there: `Date.now`. */
  readonly what: string;
  /** What to use. */
  readonly instead: string;
}

const clock = 'a Clock that the caller passes';
const random = 'a Random or an IdGenerator that the caller passes';
const settings = 'an option of the function that needs it';
const log = 'a Logger that the caller passes';
const host = 'nothing: a library leaves the process to its host';

const members: Readonly<Record<string, string>> = {
  'AbortSignal.timeout': clock,
  'Date.now': clock,
  'Math.random': random,
  'crypto.getRandomValues': random,
  'crypto.randomUUID': random,
  'performance.now': clock,
  'performance.timeOrigin': clock,
  'process.argv': settings,
  'process.env': settings,
  'process.exit': host,
  'process.hrtime': clock,
  'process.on': host,
  'process.once': host,
  'process.stderr': log,
  'process.stdout': log,
  'process.uptime': clock,
};
const globals: Readonly<Record<string, string>> = { console: log, setInterval: clock, setTimeout: clock };
// What may not be imported from a module; `*` is the module as a whole.
const imports: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'node:crypto': {
    getRandomValues: random,
    randomBytes: random,
    randomFill: random,
    randomFillSync: random,
    randomInt: random,
    randomUUID: random,
  },
  'node:perf_hooks': { performance: clock },
  'node:process': { '*': settings, argv: settings, env: settings, hrtime: clock },
  'node:timers': { '*': clock, setInterval: clock, setTimeout: clock },
  'node:timers/promises': { '*': clock, scheduler: clock, setInterval: clock, setTimeout: clock },
};

/** `a.b` of `globalThis.a.b` or `a.b`; undefined for anything that is not a chain of names. */
function dottedName(node: ts.Expression): string | undefined {
  if (ts.isIdentifier(node)) return node.text;
  if (!ts.isPropertyAccessExpression(node)) return undefined;
  const left = dottedName(node.expression);
  if (left === undefined) return undefined;
  return left === 'globalThis' ? node.name.text : `${left}.${node.name.text}`;
}

/** Whether an identifier stands for the value of that name, rather than for a property, a declaration or a type. */
function isReference(node: ts.Identifier): boolean {
  const parent = node.parent;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node || dottedName(parent) === node.text;
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node;
  if (ts.isTypeQueryNode(parent) || ts.isTypeReferenceNode(parent) || ts.isQualifiedName(parent)) return false;
  if (ts.isVariableDeclaration(parent) || ts.isParameter(parent) || ts.isBindingElement(parent)) return parent.initializer === node;
  return !(
    ts.isFunctionDeclaration(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isMethodSignature(parent) ||
    ts.isPropertySignature(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isImportSpecifier(parent) ||
    ts.isExportSpecifier(parent)
  );
}

function importUses(node: ts.ImportDeclaration): readonly (readonly [string, string])[] {
  const from = (node.moduleSpecifier as ts.StringLiteral).text;
  const forbidden = imports[from.startsWith('node:') ? from : `node:${from}`];
  const clause = node.importClause;
  if (forbidden === undefined || clause === undefined || clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return [];
  const bindings = clause.namedBindings;
  const whole = forbidden['*'];
  if (whole !== undefined && (clause.name !== undefined || (bindings !== undefined && ts.isNamespaceImport(bindings))))
    return [[from, whole]];
  const names = bindings !== undefined && ts.isNamedImports(bindings) ? bindings.elements : [];
  return names.flatMap((name) => {
    const instead = forbidden[(name.propertyName ?? name.name).text];
    return instead === undefined ? [] : [[`${(name.propertyName ?? name.name).text} of ${from}`, instead] as const];
  });
}

function usesAt(node: ts.Node): readonly (readonly [string, string])[] {
  if (ts.isImportDeclaration(node)) return importUses(node);
  if (ts.isNewExpression(node) && dottedName(node.expression) === 'Date' && (node.arguments ?? []).length === 0)
    return [['new Date()', clock]];
  if (ts.isCallExpression(node) && dottedName(node.expression) === 'Date') return [['Date()', clock]];
  if (ts.isPropertyAccessExpression(node)) {
    const name = dottedName(node) ?? '';
    const instead = members[name];
    return instead === undefined ? [] : [[name, instead]];
  }
  if (ts.isIdentifier(node) && isReference(node)) {
    const instead = globals[node.text];
    return instead === undefined ? [] : [[node.text, instead]];
  }
  return [];
}

/** The forbidden uses in one source file, in the order in which they stand. */
export function findPlatformUse(source: string, fileName = 'source.ts'): readonly PlatformUse[] {
  const file = ts.createSourceFile(fileName, source, ts.ScriptTarget.Latest, true);
  const found: PlatformUse[] = [];
  const visit = (node: ts.Node): void => {
    for (const [what, instead] of usesAt(node)) {
      found.push({ line: file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1, what, instead });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** Packages that are no part of the simulated system. */
const outside = /^packages\/pulsar\//;

/** Whether a use is forbidden where it stands. */
export function isForbidden(path: string, { instead }: PlatformUse): boolean {
  return !outside.test(path) || (instead !== clock && instead !== random);
}

/** Whether the rule holds for a file: it does not for generated code, for the adapters to the platform and for programs that tests start. */
export function isChecked(path: string): boolean {
  return !path.includes('/gen/') && !basename(path).startsWith('system-') && !path.endsWith('.fixture.ts');
}

if (import.meta.main) {
  let count = 0;
  for (const path of globSync('packages/*/src/**/*.ts', { cwd: root }).sort()) {
    const name = path.replaceAll('\\', '/');
    if (!isChecked(name)) continue;
    for (const use of findPlatformUse(readFileSync(join(root, path), 'utf8'), path)) {
      if (!isForbidden(name, use)) continue;
      console.error(`${path}:${use.line}: ${use.what}: use ${use.instead}`);
      count += 1;
    }
  }
  if (count > 0) process.exitCode = 1;
}
