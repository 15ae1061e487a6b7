export { createRedactor, defaultRedactedKeys, type Redactor } from './destination/redact.ts';
export { createTopicDestination, type TopicDestination, type TopicDestinationOptions } from './destination/topic-destination.ts';
export { logTopic } from './log-topic.ts';
export { traceMixin } from './trace-mixin.ts';
