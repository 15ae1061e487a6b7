import { PulsarError } from '../errors/pulsar-error.ts';
import { type AvroDefinition, type AvroField, type AvroPrimitive, type AvroRecord, fullName, isAvroPrimitive } from './avro-definition.ts';

/** Says what is wrong with a value, or nothing. Fills in what is missing when `fill` is set. */
type Check = (value: unknown, path: string, fill: boolean) => string | undefined;

/** Compares JSON values with an Avro definition. */
export interface JsonShape {
  /** What is wrong with a value that is to be written: `total: expected a long, not "x"`. */
  check(value: unknown): string | undefined;
  /** The same for a value that was read; sets missing fields to their default, or to null where null is allowed. */
  complete(value: unknown): string | undefined;
}

function show(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n (JSON has no form for it)`;
  if (typeof value === 'function' || typeof value === 'symbol') return typeof value;
  return value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value)).slice(0, 60);
}

function expected(what: string, value: unknown, path: string): string {
  return `${path === '' ? 'the value' : path}: expected ${what}, not ${show(value)}`;
}

function isInteger(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;
}

const primitiveTests: Record<AvroPrimitive, (value: unknown) => boolean> = {
  null: (value) => value === null,
  boolean: (value) => typeof value === 'boolean',
  int: (value) => isInteger(value, -0x8000_0000, 0x7fff_ffff),
  long: (value) => isInteger(value, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  float: (value) => typeof value === 'number' && Number.isFinite(value),
  double: (value) => typeof value === 'number' && Number.isFinite(value),
  bytes: (value) => typeof value === 'string',
  string: (value) => typeof value === 'string',
};

function primitive(type: AvroPrimitive): Check {
  const test = primitiveTests[type];
  const what = type === 'bytes' ? 'bytes in base64' : type === 'null' ? 'null' : `a value of type ${type}`;
  return (value, path) => (test(value) ? undefined : expected(what, value, path));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function allowsNull(type: AvroDefinition): boolean {
  return type === 'null' || (Array.isArray(type) && type.includes('null'));
}

/** Compiles the checks of a definition. Throws `INVALID_ARGUMENT` for a name that is not defined in it. */
export function compileJsonShape(definition: AvroRecord): JsonShape {
  const named = new Map<string, Check>();

  function define(name: string, check: Check): Check {
    named.set(name, check);
    return check;
  }

  function reference(name: string, namespace: string | undefined): Check {
    const check = named.get(name) ?? named.get(namespace === undefined ? name : `${namespace}.${name}`);
    if (check === undefined)
      throw new PulsarError('INVALID_ARGUMENT', `the Avro definition uses "${name}", which it does not define before`);
    return check;
  }

  function union(branches: readonly AvroDefinition[], namespace: string | undefined): Check {
    const checks = branches.map((branch) => compile(branch, namespace));
    return (value, path, fill) => {
      let problem: string | undefined;
      for (const check of checks) {
        // Not filled in before it fits: a branch that does not fit must leave no trace.
        problem = check(value, path, false);
        if (problem === undefined) return fill ? check(value, path, true) : undefined;
      }
      // With null and one other, what the other says is worth more than that none fits.
      return checks.length === 2 && allowsNull(branches) ? problem : expected('a value of one of the types of its union', value, path);
    };
  }

  function field(
    definition: AvroField,
    namespace: string | undefined,
  ): (record: Record<string, unknown>, path: string, fill: boolean) => string | undefined {
    const check = compile(definition.type, namespace);
    const { name } = definition;
    const canBeMissing = 'default' in definition || allowsNull(definition.type);
    const substitute = 'default' in definition ? definition.default : null;
    return (record, path, fill) => {
      const value = record[name];
      if (value !== undefined || !canBeMissing) return check(value, path === '' ? name : `${path}.${name}`, fill);
      // A copy each: what a caller does to one value must not show in the next.
      if (fill) record[name] = structuredClone(substitute);
      return undefined;
    };
  }

  function record(definition: AvroRecord, namespace: string | undefined): Check {
    const name = fullName(definition, namespace);
    const inner = name.includes('.') ? name.slice(0, name.lastIndexOf('.')) : undefined;
    // Set before its fields are compiled: they may refer to the record itself.
    const fields: ReturnType<typeof field>[] = [];
    const check = define(name, (value, path, fill) => {
      if (!isObject(value)) return expected(`a record ${name}`, value, path);
      for (const one of fields) {
        const problem = one(value, path, fill);
        if (problem !== undefined) return problem;
      }
      return undefined;
    });
    for (const one of definition.fields) fields.push(field(one, inner));
    return check;
  }

  function array(items: AvroDefinition, namespace: string | undefined): Check {
    const check = compile(items, namespace);
    return (value, path, fill) => {
      if (!Array.isArray(value)) return expected('a list', value, path);
      for (const [at, item] of value.entries()) {
        const problem = check(item, `${path}[${at}]`, fill);
        if (problem !== undefined) return problem;
      }
      return undefined;
    };
  }

  function map(values: AvroDefinition, namespace: string | undefined): Check {
    const check = compile(values, namespace);
    return (value, path, fill) => {
      if (!isObject(value)) return expected('a map', value, path);
      for (const [key, item] of Object.entries(value)) {
        const problem = check(item, path === '' ? key : `${path}.${key}`, fill);
        if (problem !== undefined) return problem;
      }
      return undefined;
    };
  }

  function compile(definition: AvroDefinition, namespace: string | undefined): Check {
    if (typeof definition === 'string') return isAvroPrimitive(definition) ? primitive(definition) : reference(definition, namespace);
    if (Array.isArray(definition)) return union(definition, namespace);
    const complex = definition as Exclude<AvroDefinition, string | readonly AvroDefinition[]>;
    switch (complex.type) {
      case 'record':
        return record(complex, namespace);
      case 'enum': {
        const symbols = new Set(complex.symbols);
        const what = `one of ${complex.symbols.join(', ')}`;
        return define(fullName(complex, namespace), (value, path) =>
          typeof value === 'string' && symbols.has(value) ? undefined : expected(what, value, path),
        );
      }
      case 'array':
        return array(complex.items, namespace);
      case 'map':
        return map(complex.values, namespace);
      case 'fixed':
        return define(fullName(complex, namespace), primitive('bytes'));
      default:
        return compile(complex.type, namespace);
    }
  }

  const check = compile(definition, undefined);
  return { check: (value) => check(value, '', false), complete: (value) => check(value, '', true) };
}
