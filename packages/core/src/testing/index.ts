export { createSeededRandom } from '../random/seeded-random.ts';
export { brokerCases } from './broker-cases.ts';
export { type BrokerAbility, type BrokerCase, type BrokerUnderTest, brokerAbilities } from './broker-subject.ts';
export { type BindOptions, type BoundCase, bindCases, type ConformanceCase } from './conformance.ts';
export { databaseCases } from './database-cases.ts';
export type { DatabaseAbility, DatabaseCase, DatabaseUnderTest } from './database-subject.ts';
export { createMemoryTelemetry, type MemoryTelemetry, type RecordedSpan } from './memory-telemetry.ts';
export { createTestWorld, type TestWorld, type TestWorldOptions } from './test-world.ts';
export { createVirtualClock, type Duration, type VirtualClock, type VirtualClockOptions } from './virtual-clock.ts';
