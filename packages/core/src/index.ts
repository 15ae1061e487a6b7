export { type Batcher, type BatcherOptions, createBatcher } from './batcher/batcher.ts';
export { deadLetterSubscription } from './broker/dead-letters.ts';
export type {
  Broker,
  BrokerCapabilities,
  BrokerProducer,
  BrokerProducerOptions,
  BrokerReader,
  BrokerSubscription,
  IncomingMessage,
  MessageId,
  OutgoingMessage,
  Position,
  ReaderOptions,
  SubscribeOptions,
  SubscriptionType,
} from './broker/port.ts';
export type { Clock, ClockTimer } from './clock/port.ts';
export { systemClock } from './clock/system-clock.ts';
export { createConsumer } from './consumer/consumer.ts';
export { consumerProperties } from './consumer/delivery.ts';
export type {
  BatchConsumerOptions,
  Consumer,
  ConsumerOptions,
  ConsumerStatus,
  Delivery,
  HandlerConsumerOptions,
  HandlerContext,
  MessageStream,
  MessageStreamOptions,
  RetryPolicy,
  StreamedDelivery,
} from './consumer/port.ts';
export { createMessageStream } from './consumer/stream.ts';
export { type ErrorCode, errorCodes, type FieldViolation, PaystreamError, type PaystreamErrorOptions } from './errors/paystream-error.ts';
export { createLifecycle, type LifecycleOptions } from './lifecycle/lifecycle.ts';
export type { Component, ComponentHealth, Health, Lifecycle, Running } from './lifecycle/port.ts';
export { type LogFields, type Logger, silentLogger } from './logger/port.ts';
export { currencyExponent } from './money/currencies.ts';
export {
  addMoney,
  basisPointsOf,
  formatMoney,
  type Money,
  money,
  multiplyMoney,
  parseMoney,
  splitMoney,
  subtractMoney,
} from './money/money.ts';
export type { Producer, SendOptions } from './producer/port.ts';
export { createProducer, type ProducerOptions } from './producer/producer.ts';
export { createIdGenerator, type IdGenerator } from './random/id.ts';
export type { Random } from './random/port.ts';
export { systemRandom } from './random/system-random.ts';
export { type ApiKey, type Authenticator, apiKeys, hashApiKey, type RpcHeaders } from './rpc/authenticator.ts';
export { errorFromRpc } from './rpc/from-rpc-error.ts';
export { defineRpcService, type Principal, type RpcContext, type RpcImplementation, type RpcService } from './rpc/port.ts';
export { anonymous, requireMerchant } from './rpc/principal.ts';
export { combineTelemetry } from './telemetry/combined.ts';
export {
  type Labels,
  noLabels,
  noTelemetry,
  type Span,
  type SpanAttributes,
  type SpanOptions,
  type Telemetry,
  type TraceContext,
} from './telemetry/port.ts';
export { fromStoredTrace, toStoredTrace } from './telemetry/stored-trace.ts';
export type { Codec } from './topic/codec.ts';
export { type Envelope, envelopeProperties, openEnvelope, sealMessage } from './topic/envelope.ts';
export { json } from './topic/json-codec.ts';
export { protobuf } from './topic/protobuf-codec.ts';
export type { StandardIssue, StandardResult, StandardSchema } from './topic/standard-schema.ts';
export { defineTopic, renameTopic, type Topic } from './topic/topic.ts';
