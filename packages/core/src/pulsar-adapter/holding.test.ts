import { describe, expect, it } from 'vitest';
import { createVirtualClock, type VirtualClock } from '../testing/virtual-clock.ts';
import { createHolding, type Held, type Holding } from './holding.ts';

interface Copy {
  readonly id: string;
  readonly key?: string;
  readonly from?: string;
}

function setUp(keyed = true): { holding: Holding<Copy>; clock: VirtualClock; all(): string[]; hand(count: number): Held<Copy>[] } {
  const clock = createVirtualClock();
  const holding = createHolding<Copy>({
    keyed,
    clock,
    describe: ({ id, key }) => ({ id, key, redeliveries: 0 }),
    onDue: () => undefined,
  });
  const hand = (count: number): Held<Copy>[] => Array.from({ length: count }, () => holding.next() as Held<Copy>);
  const all = (): string[] => {
    const ids: string[] = [];
    for (let held = holding.next(); held !== undefined; held = holding.next()) ids.push(held.id);
    return ids;
  };
  return { holding, clock, all, hand };
}

describe('messages that are held for a consumer', () => {
  it('come in the order in which they came, and again in that order', async () => {
    const { holding, clock, all, hand } = setUp(false);
    holding.arrive([{ id: 'a' }, { id: 'b' }, { id: 'c' }, { id: 'd' }]);
    const [a, b, c] = hand(3) as [Held<Copy>, Held<Copy>, Held<Copy>];
    holding.giveBack(c, 100);
    holding.giveBack(a, 100);
    expect(holding).toMatchObject({ inHand: 1, waiting: 2 });
    await clock.advance(100);
    expect(all()).toEqual(['a', 'c', 'd']);
    expect([a.redeliveries, b.redeliveries]).toEqual([1, 0]);
  });

  it('each wait for their own delay', async () => {
    const { holding, clock, all, hand } = setUp(false);
    holding.arrive([{ id: 'a' }, { id: 'b' }]);
    const [a, b] = hand(2) as [Held<Copy>, Held<Copy>];
    holding.giveBack(a, 8_000);
    holding.giveBack(b, 300);
    await clock.advance(300);
    expect(all()).toEqual(['b']);
    await clock.advance(7_700);
    expect(all()).toEqual(['a']);
  });

  it('do not overtake one of their key that waits, so that a retry keeps the order', async () => {
    const { holding, clock, all, hand } = setUp();
    holding.arrive([
      { id: 'a0', key: 'a' },
      { id: 'a1', key: 'a' },
    ]);
    const [a0, a1] = hand(2) as [Held<Copy>, Held<Copy>];
    holding.giveBack(a0, 500);
    holding.giveBack(a1, 100);
    holding.arrive([{ id: 'a2', key: 'a' }, { id: 'b0', key: 'b' }, { id: 'none' }]);
    await clock.advance(100);
    expect(all()).toEqual(['b0', 'none']);
    await clock.advance(400);
    expect(all()).toEqual(['a0', 'a1', 'a2']);
  });

  it('let the next of their key go once they are acknowledged while they wait', () => {
    const { holding, all, hand } = setUp();
    holding.arrive([{ id: 'a0', key: 'a' }]);
    const [a0] = hand(1) as [Held<Copy>];
    holding.giveBack(a0, 60_000);
    holding.arrive([{ id: 'a1', key: 'a' }]);
    expect(all()).toEqual([]);
    holding.settling(a0);
    holding.settled(a0);
    expect(all()).toEqual(['a1']);
    expect(holding).toMatchObject({ inHand: 1, waiting: 0 });
  });

  it('are handed out once though a connection that was lost brings them again; the new copy is the one to acknowledge', () => {
    const { holding, all, hand } = setUp();
    holding.arrive([{ id: 'a', from: 'first' }, { id: 'b' }]);
    const [a] = hand(1) as [Held<Copy>];
    a.lost = true;
    holding.arrive([{ id: 'a', from: 'second' }, { id: 'b' }]);
    expect(all()).toEqual(['b']);
    expect(a).toMatchObject({ lost: false, native: { from: 'second' } });
  });

  it('stay in hand if their acknowledgement fails, and are gone once it has not', () => {
    const { holding, hand } = setUp();
    holding.arrive([{ id: 'a' }]);
    const [a] = hand(1) as [Held<Copy>];
    holding.settling(a);
    holding.giveBack(a, 0);
    holding.unsettled(a);
    expect([a.state, holding.inHand]).toEqual(['in-hand', 1]);
    holding.settling(a);
    holding.settled(a);
    expect([holding.find('a'), holding.inHand]).toEqual([undefined, 0]);
  });

  it('are all forgotten when the cursor moves, with their timers', async () => {
    const { holding, clock, all, hand } = setUp();
    holding.arrive([
      { id: 'a0', key: 'a' },
      { id: 'a1', key: 'a' },
    ]);
    const [a0] = hand(2) as [Held<Copy>];
    holding.giveBack(a0, 100);
    holding.clear();
    await clock.advance(1_000);
    expect(all()).toEqual([]);
    expect(holding).toMatchObject({ inHand: 0, waiting: 0 });
    holding.arrive([{ id: 'a0', key: 'a' }]);
    expect(all()).toEqual(['a0']);
  });

  it('of one partition are forgotten when its cursor moves, and those of the others stay, with their order', async () => {
    const { holding, clock, all, hand } = setUp();
    holding.arrive([
      { id: 'a0', key: 'a', from: 'p0' },
      { id: 'b0', key: 'b', from: 'p1' },
      { id: 'b1', key: 'b', from: 'p1' },
      { id: 'c0', from: 'p0' },
    ]);
    const [a0, b0] = hand(2) as [Held<Copy>, Held<Copy>];
    holding.giveBack(a0, 100);
    holding.giveBack(b0, 100);
    expect(hand(1).map(({ id }) => id)).toEqual(['c0']);
    holding.clear(({ from }) => from === 'p0');
    expect(holding).toMatchObject({ inHand: 0, waiting: 2 });
    holding.arrive([{ id: 'a0', key: 'a', from: 'p0' }]);
    expect(all()).toEqual(['a0']);
    await clock.advance(100);
    expect(all()).toEqual(['b0', 'b1']);
    expect(holding).toMatchObject({ inHand: 3, waiting: 0 });
  });

  it('let those behind them go when they are forgotten in the middle of a lane', () => {
    const { holding, all, hand } = setUp();
    holding.arrive([
      { id: 'a0', key: 'a', from: 'p0' },
      { id: 'a1', key: 'a', from: 'p1' },
    ]);
    const [a0] = hand(1) as [Held<Copy>];
    holding.giveBack(a0, 60_000);
    expect(all()).toEqual([]);
    holding.clear(({ from }) => from === 'p0');
    expect(all()).toEqual(['a1']);
  });
});
