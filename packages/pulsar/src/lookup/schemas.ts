import { create } from '@bufbuild/protobuf';
import type { BrokerAddress, Connection, ConnectionPool } from '../connection/port.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { type BaseCommand, BaseCommandSchema, type SchemaType, BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import type { BrokerSchema, Lookup } from './port.ts';
import { type RetryOptions, untilItWorks } from './retry.ts';
import { parseTopicName } from './topic-name.ts';

/** What the calls about schemas need. */
export interface SchemaCallsOptions extends RetryOptions {
  readonly pool: ConnectionPool;
  /** The service URL of the cluster that is asked. Default: the client's own. */
  readonly cluster?: string | undefined;
  readonly ask: (connection: Connection, timeoutMs: number, make: (requestId: bigint) => BaseCommand) => Promise<BaseCommand>;
  /** Where a topic is served. */
  readonly owner: (topic: string) => Promise<BrokerAddress>;
}

/** Reads and registers the schemas of topics. */
export function createSchemaCalls(options: SchemaCallsOptions): Pick<Lookup, 'schema' | 'registerSchema'> {
  const { pool, cluster, ask, owner } = options;

  async function readSchema(topic: string, version: Uint8Array | undefined, leftMs: number): Promise<BrokerSchema | undefined> {
    const { connection } = await pool.connectToService(cluster);
    const command = await ask(connection, leftMs, (requestId) =>
      create(BaseCommandSchema, {
        type: Type.GET_SCHEMA,
        getSchema: { topic, requestId, ...(version === undefined ? {} : { schemaVersion: Uint8Array.from(version) }) },
      }),
    ).catch((error: unknown) => {
      if (PulsarError.is(error) && error.code === 'TOPIC_NOT_FOUND') return undefined;
      throw error;
    });
    const answer = command?.getSchemaResponse;
    if (answer?.schema === undefined) return undefined;
    const { name, type, schemaData, properties } = answer.schema;
    return {
      type,
      name,
      data: schemaData,
      properties: Object.fromEntries(properties.map(({ key, value }) => [key, value])),
      version: answer.schemaVersion,
    };
  }

  async function register(topic: string, schema: Omit<BrokerSchema, 'version'>, leftMs: number): Promise<Uint8Array> {
    // Only the broker that serves the topic takes it.
    const connection = await pool.connect(await owner(topic), 0);
    const command = await ask(connection, leftMs, (requestId) =>
      create(BaseCommandSchema, {
        type: Type.GET_OR_CREATE_SCHEMA,
        getOrCreateSchema: {
          topic,
          requestId,
          schema: {
            name: schema.name,
            schemaData: Uint8Array.from(schema.data),
            type: schema.type as SchemaType,
            properties: Object.entries(schema.properties).map(([key, value]) => ({ key, value })),
          },
        },
      }),
    );
    return command.getOrCreateSchemaResponse?.schemaVersion ?? new Uint8Array();
  }

  return {
    schema: async (name, version) => {
      const { full } = parseTopicName(name);
      return untilItWorks(options, { command: 'GET_SCHEMA', name: full }, (leftMs) => readSchema(full, version, leftMs));
    },
    registerSchema: async (name, schema) => {
      const { full } = parseTopicName(name);
      return untilItWorks(options, { command: 'GET_OR_CREATE_SCHEMA', name: full }, (leftMs) => register(full, schema, leftMs));
    },
  };
}
