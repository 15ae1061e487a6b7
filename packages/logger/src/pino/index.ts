export { createTopicLogger, type TopicLogger, type TopicLoggerOptions } from './topic-logger.ts';
