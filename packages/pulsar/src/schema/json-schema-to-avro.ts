import { PulsarError } from '../errors/pulsar-error.ts';
import { type AvroDefinition, type AvroField, type AvroRecord, isAvroName } from './avro-definition.ts';

/** The part of JSON Schema that has a counterpart in Avro. */
interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: boolean | JsonSchema;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
}

function refuse(path: string, why: string): never {
  throw new PulsarError('INVALID_ARGUMENT', `${path}: ${why}; give Schema.json the Avro definition: { definition: { type: 'record', … } }`);
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function isNull(definition: AvroDefinition): boolean {
  return definition === 'null';
}

/** One type, or a union of several that holds each once, with null in front as Avro's defaults want it. */
function unionOf(branches: readonly AvroDefinition[]): AvroDefinition {
  const flat = branches.flatMap((branch) => (Array.isArray(branch) ? (branch as readonly AvroDefinition[]) : [branch]));
  const unique = new Map(flat.map((branch) => [JSON.stringify(branch), branch]));
  // An Avro union holds one number type of each; a double reads every one of them.
  if (unique.has('"double"')) {
    unique.delete('"long"');
    unique.delete('"int"');
  } else if (unique.has('"long"')) unique.delete('"int"');
  const types = [...unique.values()];
  const [only] = types;
  if (types.length === 1 && only !== undefined) return only;
  return types.some(isNull) ? ['null', ...types.filter((type) => !isNull(type))] : types;
}

function fitsFirstBranch(value: unknown, type: AvroDefinition): boolean {
  if (type === 'string') return typeof value === 'string';
  if (type === 'boolean') return typeof value === 'boolean';
  if (type === 'int' || type === 'long') return Number.isInteger(value);
  if (type === 'double') return typeof value === 'number';
  return typeof type === 'object' && 'type' in type && type.type === 'enum' && type.symbols.includes(value as string);
}

/**
 * The Avro record of an object that a JSON Schema describes: properties become fields; what may be absent or null becomes a
 * union with null that defaults to null, as in the Java client; lists of names become enumerations. Records and enumerations
 * inside are called by their `title`, else after the record and field that hold them. Throws `INVALID_ARGUMENT` for what Avro
 * has no form for.
 *
 * @param name - of the record; `title` or the name in `$defs` if not given.
 */
export function avroOfJsonSchema(schema: Readonly<Record<string, unknown>>, name?: string): AvroRecord {
  const root = schema as JsonSchema;
  /** Names of records and enumerations by where they are defined; a second use refers to the first. */
  const defined = new Map<JsonSchema, string>();
  const taken = new Set<string>();

  function resolve(part: JsonSchema, path: string): { readonly target: JsonSchema; readonly hint: string | undefined } {
    if (part.$ref === undefined) return { target: part, hint: undefined };
    if (part.$ref === '#') return { target: root, hint: undefined };
    const key = part.$ref.startsWith('#/$defs/') ? part.$ref.slice('#/$defs/'.length) : undefined;
    const target = key === undefined ? undefined : root.$defs?.[key];
    if (target === undefined) return refuse(path, `"${part.$ref}" leads nowhere`);
    const next = resolve(target, path);
    return { target: next.target, hint: next.hint ?? key };
  }

  function claim(wanted: string, path: string): string {
    const base = wanted.replace(/\W/g, '_');
    const clean = isAvroName(base) ? base : `_${base}`;
    let free = clean;
    for (let count = 2; taken.has(free); count += 1) free = `${clean}${count}`;
    if (!isAvroName(free)) return refuse(path, `"${wanted}" is no name in Avro`);
    taken.add(free);
    return free;
  }

  function fieldOf(owner: JsonSchema, recordName: string, key: string, part: JsonSchema, path: string): AvroField {
    if (!isAvroName(key)) return refuse(path, `"${key}" is no name of a field in Avro (letters, digits and _)`);
    const type = typeOf(part, `${recordName}${capitalized(key)}`, path);
    const doc = part.description === undefined ? {} : { doc: part.description };
    const nullable = Array.isArray(type) && type.some(isNull);
    if (nullable) return { name: key, type, ...doc, default: null };
    if (owner.required?.includes(key) === true) return { name: key, type, ...doc };
    if (part.default !== undefined && fitsFirstBranch(part.default, type)) return { name: key, type, ...doc, default: part.default };
    return { name: key, type: unionOf(['null', type]), ...doc, default: null };
  }

  function recordOf(object: JsonSchema, wanted: string, path: string): AvroRecord {
    const recordName = claim(wanted, path);
    defined.set(object, recordName);
    const fields = Object.entries(object.properties ?? {}).map(([key, part]) =>
      fieldOf(object, recordName, key, part, path === '' ? key : `${path}.${key}`),
    );
    const doc = object.description === undefined ? {} : { doc: object.description };
    return { type: 'record', name: recordName, ...doc, fields };
  }

  function objectOf(object: JsonSchema, wanted: string, path: string): AvroDefinition {
    const { additionalProperties, properties } = object;
    if (typeof additionalProperties === 'object' && properties === undefined) {
      return { type: 'map', values: typeOf(additionalProperties, `${wanted}Value`, path) };
    }
    if (properties === undefined) return refuse(path, 'an object without properties has no form in Avro');
    return recordOf(object, object.title ?? wanted, path);
  }

  function namesOf(values: readonly unknown[], wanted: string, path: string, part: JsonSchema): AvroDefinition {
    if (!values.every((value) => typeof value === 'string')) {
      return unionOf(values.map((value) => (value === null ? 'null' : literalOf(value, path))));
    }
    if (!values.every(isAvroName)) return 'string';
    const enumName = claim(part.title ?? wanted, path);
    defined.set(part, enumName);
    return { type: 'enum', name: enumName, symbols: values };
  }

  function literalOf(value: unknown, path: string): AvroDefinition {
    if (value === null) return 'null';
    if (typeof value === 'string' || typeof value === 'boolean') return typeof value;
    if (typeof value === 'number') return Number.isInteger(value) ? 'long' : 'double';
    return refuse(path, `the constant ${JSON.stringify(value)} has no form in Avro`);
  }

  function primitiveOf(type: string, part: JsonSchema, wanted: string, path: string): AvroDefinition {
    switch (type) {
      case 'string':
      case 'boolean':
      case 'null':
        return type;
      case 'number':
        return 'double';
      case 'integer':
        return (part.minimum ?? -Infinity) >= -0x8000_0000 && (part.maximum ?? Infinity) <= 0x7fff_ffff ? 'int' : 'long';
      case 'array':
        if (typeof part.items !== 'object') return refuse(path, 'a list of anything has no form in Avro');
        return { type: 'array', items: typeOf(part.items, `${wanted}Item`, `${path}[]`) };
      case 'object':
        return objectOf(part, wanted, path);
      default:
        return refuse(path, `the JSON Schema type "${type}" has no form in Avro`);
    }
  }

  function branchesOf(branches: readonly JsonSchema[], wanted: string, path: string): AvroDefinition[] {
    const several = branches.filter(({ type }) => type !== 'null').length > 1;
    return branches.map((branch, at) => typeOf(branch, several ? `${wanted}${at + 1}` : wanted, path));
  }

  function typeOf(given: JsonSchema, wanted: string, path: string): AvroDefinition {
    const { target: part, hint } = resolve(given, path);
    const known = defined.get(part);
    if (known !== undefined) return known;
    const named = hint ?? wanted;
    if (part.const !== undefined) return literalOf(part.const, path);
    if (part.enum !== undefined) return namesOf(part.enum, named, path, part);
    const branches = part.anyOf ?? part.oneOf;
    if (branches !== undefined) return unionOf(branchesOf(branches, named, path));
    if (part.type === undefined) return refuse(path, 'a value of any type has no form in Avro');
    if (typeof part.type === 'string') return primitiveOf(part.type, part, named, path);
    return unionOf(part.type.map((type) => primitiveOf(type, part, named, path)));
  }

  const { target, hint } = resolve(root, 'the schema');
  if (target.properties === undefined) return refuse('the schema', 'a message is described by an object with properties');
  return recordOf(target, name ?? target.title ?? hint ?? 'Value', '');
}
