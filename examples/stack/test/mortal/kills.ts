import { systemClock } from '@paystream/core';
import type { ServiceProcess } from '../../src/launch/processes.ts';
import type { Hand } from './hand.ts';
import { type DeathPoint, deathPoints } from './points.ts';

/** One kill -9. Times are of the monotonic clock, in milliseconds. */
export interface Kill {
  /** The name of the process. */
  readonly victim: string;
  /** Where it died; at any moment if undefined. */
  readonly point: DeathPoint | undefined;
  readonly killedMs: number;
  /** When the process that was started in its place was ready. */
  readonly readyMs: number;
}

/** Options of {@link killMany}. */
export interface KillingOptions {
  readonly processes: readonly ServiceProcess[];
  readonly hand: Hand;
  readonly random: { next(): number };
  /** How many die at a named point: each point in turn. */
  readonly atPoints: number;
  /** How many die at any moment. */
  readonly atRandom: number;
  /** So many are killed side by side. */
  readonly atOnce: number;
  /** Whether what was under way at a kill has ended; until then nothing else is killed in its place. Default: not asked. */
  readonly settled?: (killedMs: number) => boolean;
  /** Before each kill there is a pause of up to so many milliseconds. */
  readonly pauseMs: number;
  /** Called after each, when the process that took its place is ready. */
  readonly onKill: (kill: Kill) => void;
}

const lookAgainMs = 5;
const patienceMs = 120_000;

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = systemClock.monotonic() + patienceMs;
  while (!holds()) {
    if (systemClock.monotonic() > end) throw new Error(`${what}: not within ${patienceMs} ms`);
    await systemClock.sleep(lookAgainMs);
  }
}

function shuffled<T>(all: readonly T[], random: { next(): number }): T[] {
  const left = [...all];
  return all.map(() => left.splice(Math.floor(random.next() * left.length), 1)[0] as T);
}

/** What one kill is of: a process of that service, at that point, or any. */
type Plan = DeathPoint | 'any moment';

/** Kills processes, several side by side, each once it is ready; resolves when all run again. The gateway stands for somebody else's, and is left alone. */
export async function killMany(options: KillingOptions): Promise<void> {
  const { hand, random, settled, onKill } = options;
  const mortals = options.processes.filter(({ plan }) => plan.service !== 'gateway');
  const points = shuffled(deathPoints, random);
  const named = Array.from({ length: options.atPoints }, (_, index): Plan => points[index % points.length] as DeathPoint);
  const plans = shuffled([...named, ...Array.from({ length: options.atRandom }, (): Plan => 'any moment')], random);
  const dying = new Set<ServiceProcess>();

  /** The next plan that has a process which can die, and that process. */
  const next = (): [Plan, ServiceProcess] | undefined => {
    const living = mortals.filter((one) => one.ready && !dying.has(one));
    for (const [index, plan] of plans.entries()) {
      const able = plan === 'any moment' ? living : living.filter((one) => one.plan.service === plan.service);
      const victim = able[Math.floor(random.next() * able.length)];
      if (victim === undefined) continue;
      plans.splice(index, 1);
      return [plan, victim];
    }
    return undefined;
  };

  const killOne = async (plan: Plan, victim: ServiceProcess): Promise<void> => {
    const { pid } = victim;
    const { name } = victim.plan;
    await systemClock.sleep(random.next() * options.pauseMs);
    if (pid === undefined || victim.pid !== pid) throw new Error(`${name} ended by itself`);
    let killedMs = systemClock.monotonic();
    if (plan === 'any moment') process.kill(pid, 'SIGKILL');
    else {
      await until(`${name} hears where to die`, () => hand.dieAt(victim, plan.step));
      await until(`${name} dies ${plan.step}`, () => victim.pid !== pid);
      killedMs = systemClock.monotonic();
      if (hand.diedAt(name) !== plan.step) throw new Error(`${name} was to die ${plan.step}, and ended otherwise`);
    }
    await until(`${name} is ready again`, () => victim.ready && victim.pid !== pid);
    const point = plan === 'any moment' ? undefined : plan;
    const kill: Kill = { victim: name, point, killedMs, readyMs: systemClock.monotonic() };
    if (settled !== undefined) await until(`what was under way when ${name} was killed has ended`, () => settled(killedMs));
    onKill(kill);
  };

  const work = async (): Promise<void> => {
    while (plans.length > 0) {
      const found = next();
      if (found === undefined) {
        await systemClock.sleep(lookAgainMs);
        continue;
      }
      const [plan, victim] = found;
      dying.add(victim);
      await killOne(plan, victim);
      dying.delete(victim);
    }
  };
  await Promise.all(Array.from({ length: options.atOnce }, work));
}
