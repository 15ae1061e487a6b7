export { type DrizzleTransaction, fromDrizzle } from './from-drizzle.ts';
