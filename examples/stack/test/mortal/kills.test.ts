import { createSeededRandom } from '@paystream/core/testing';
import { describe, expect, it } from 'vitest';
import type { ServiceProcess } from '../../src/launch/processes.ts';
import type { Hand } from './hand.ts';
import { type Kill, killMany } from './kills.ts';
import { deathPoints } from './points.ts';

interface FakeProcess extends ServiceProcess {
  pid: number | undefined;
}

let lastPid = 1_000_000_000;

function fakeProcess(service: ServiceProcess['plan']['service'], replica: number): FakeProcess {
  lastPid += 1;
  return {
    plan: { name: `${service}-${replica}`, service, grpcPort: 0, httpPort: 0, grpc: '', http: '', settings: {} },
    pid: lastPid,
    restarts: 0,
    lastEnd: undefined,
    get ready() {
      return this.pid !== undefined;
    },
    stop: async () => undefined,
    kill: () => undefined,
  };
}

/** Processes that die where they are told to, and are there again soon. `says` is where they say that they have died. */
function fakes(says: (step: string) => string | undefined = (step) => step) {
  const processes = (['order', 'payment', 'wallet', 'notify', 'logger', 'gateway'] as const).map((service) => fakeProcess(service, 1));
  const words = new Map<string, string | undefined>();
  let dead = 0;
  let mostDead = 0;
  const hand: Hand = {
    environment: {},
    dieAt: ({ plan }, step) => {
      const victim = processes.find((one) => one.plan.name === plan.name);
      if (victim === undefined) return false;
      words.set(plan.name, says(step));
      victim.pid = undefined;
      dead += 1;
      mostDead = Math.max(mostDead, dead);
      setTimeout(() => {
        lastPid += 1;
        victim.pid = lastPid;
        dead -= 1;
      }, 10);
      return true;
    },
    hear: () => undefined,
    diedAt: (name) => words.get(name),
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { processes, hand, mostDead: () => mostDead };
}

const settings = { random: createSeededRandom(1), atRandom: 0, pauseMs: 0 };

describe('killing at named points', () => {
  it('reaches each of them as often as any other, at processes that run, as many side by side as asked for', async () => {
    const { processes, hand, mostDead } = fakes();
    const kills: Kill[] = [];
    await killMany({ ...settings, processes, hand, atPoints: 2 * deathPoints.length, atOnce: 3, onKill: (kill) => kills.push(kill) });
    for (const point of deathPoints) expect(kills.filter((kill) => kill.point === point).length, point.step).toBe(2);
    expect(kills.every(({ victim, point }) => victim.startsWith(`${point?.service}-`))).toBe(true);
    expect(kills.every(({ killedMs, readyMs }) => readyMs > killedMs)).toBe(true);
    expect(mostDead()).toBe(3);
  });

  it('waits until what was under way has ended', async () => {
    const { processes, hand } = fakes();
    const order: string[] = [];
    let looks = 0;
    const settled = (): boolean => {
      looks += 1;
      if (looks % 3 === 0) order.push('settled');
      return looks % 3 === 0;
    };
    await killMany({ ...settings, processes, hand, atPoints: 2, atOnce: 1, settled, onKill: () => order.push('kill') });
    expect(order).toEqual(['settled', 'kill', 'settled', 'kill']);
  });

  it('fails when a process ends in another way', async () => {
    const { processes, hand } = fakes(() => undefined);
    const killing = killMany({ ...settings, processes, hand, atPoints: 1, atOnce: 1, onKill: () => undefined });
    await expect(killing).rejects.toThrow('and ended otherwise');
  });
});
