/** A gateway that charges nobody, with a durable book of its own. */
export { type BehaviourWeights, type SimulatedBehaviour, simulatedMethods } from './behaviour.ts';
export type { BookSummary } from './book.ts';
export {
  createSimulatedGateway,
  readSimulatedBook,
  type SimulatedBehaviourOptions,
  type SimulatedGateway,
  type SimulatedGatewayOptions,
} from './simulated-gateway.ts';
