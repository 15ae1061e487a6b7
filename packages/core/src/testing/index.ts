export { createSeededRandom } from '../random/seeded-random.ts';
export { type BindOptions, type BoundCase, bindCases, type ConformanceCase } from './conformance.ts';
export { createVirtualClock, type Duration, type VirtualClock, type VirtualClockOptions } from './virtual-clock.ts';
