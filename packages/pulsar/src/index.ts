export { createPulsarClient, type PulsarClient } from './client/client.ts';
export type { PulsarClientOptions } from './client/options.ts';
export type { CompressionName } from './compression/codecs.ts';
export { type OAuth2Options, oauth2, oauth2KeyFile } from './connection/auth/oauth2.ts';
export type { Authentication, CredentialsRequest } from './connection/auth/port.ts';
export { basic, clientCertificate, token } from './connection/auth/static.ts';
export type { TlsOptions } from './connection/open-socket.ts';
export type { SeekPosition } from './consumer/cursor.ts';
export type {
  ConsumerEvents,
  DeadLetterOptions,
  KeySharedOptions,
  RedeliveryBackoff,
  RetryLetterOptions,
  SubscriptionOptions,
  SubscriptionType,
} from './consumer/options.ts';
export type {
  Acknowledgeable,
  Consumer,
  ConsumerOptions,
  ReceiveBatchOptions,
  ReceiveOptions,
  ReconsumeOptions,
  TopicSelection,
  TopicsPatternOptions,
} from './consumer/port.ts';
export type { ConsumerRun, MessageHandler, RunOptions } from './consumer/runner.ts';
export { PulsarError, type PulsarErrorCode, type PulsarErrorOptions } from './errors/pulsar-error.ts';
export type { ConnectionEvent, ConsumerEvent, LookupEvent, ProducerEvent, PulsarEvent } from './events/events.ts';
export type { AcknowledgeOptions, Message, NegativeAcknowledgeOptions } from './message/message.ts';
export { MessageId, type MessageIdFields } from './message/message-id.ts';
export type { Payload, ProducerMessage } from './producer/message.ts';
export type { AccessMode, BatchingOptions, ChunkingOptions, PartitionRouter, ProducerOptions } from './producer/options.ts';
export type { Producer, ProducerState } from './producer/producer.ts';
export type { Reader, ReaderOptions } from './reader/port.ts';
export type { AvroBigintForms, AvroLibrary, AvroNumberForms, AvroSchemaOptions } from './schema/avro.ts';
export type {
  AvroAnnotated,
  AvroArray,
  AvroDefinition,
  AvroEnum,
  AvroField,
  AvroFixed,
  AvroForms,
  AvroInput,
  AvroMap,
  AvroPrimitive,
  AvroRecord,
  AvroValue,
  JsonForms,
} from './schema/avro-definition.ts';
export type { JsonSchemaOptions } from './schema/json.ts';
export type { SchemaInfo, SchemaType, ValueDecoder, ValueEncoder } from './schema/port.ts';
export type { Instant } from './schema/primitives.ts';
export { Schema, type SchemaFactory } from './schema/schema.ts';
export type { StandardInput, StandardIssue, StandardOutput, StandardResult, StandardSchema } from './schema/standard-schema.ts';
export type { TableViewOptions } from './table-view/create-table-view.ts';
export type { TableView, TableViewListener } from './table-view/table-view.ts';
export type { Transaction, TransactionState } from './transaction/port.ts';
export type { NewTransactionOptions } from './transaction/transactions.ts';
export type { Properties } from './wire/properties.ts';
