import { createStackProcess } from '../examples/stack/test/stack-process.ts';
import { type Benchmark, compare } from './compare.ts';

export const benchmark: Benchmark = {
  name: 'start',
  question: 'How long does the reference stack take from the start of its process until it serves orders?',
  run: async () => {
    const fresh = async (): Promise<number> => {
      await using stack = await createStackProcess();
      // Awaited here: the stack is gone once this returns.
      return await stack.start();
    };
    await using again = await createStackProcess();
    const restart = async (): Promise<number> => {
      const ms = await again.start();
      await again.stop();
      return ms;
    };
    const unit = 'ms';
    return [
      await compare({ case: 'a folder that is new', unit, measured: { name: 'to ready', round: fresh }, goal: 1_000, lowerIsBetter: true }),
      await compare({
        case: 'a folder that was used',
        unit,
        measured: { name: 'to ready', round: restart },
        goal: 1_000,
        lowerIsBetter: true,
      }),
    ];
  },
};
