export { type BindOptions, type BoundCase, bindCases, type ConformanceCase } from './conformance.ts';
