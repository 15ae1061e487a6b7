/**
 * Spreads work over turns of the event loop, so many each, in its order; what comes while there is room in the turn is done at once.
 *
 * Calls that a group commit answers together would be answered in one turn, and nothing of a turn is on its way before it ends: the
 * client would wait for all of them, and the server then for the client, by turns. In parts both are at work.
 */
export function inTurns(most: number): (work: () => void) => void {
  const waiting: (() => void)[] = [];
  let room = most;
  let scheduled = false;

  const schedule = (): void => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(turn);
  };
  const turn = (): void => {
    scheduled = false;
    room = most;
    if (waiting.length > 0) schedule();
    for (; room > 0; room--) {
      const work = waiting.shift();
      if (work === undefined) break;
      work();
    }
  };

  return (work) => {
    schedule();
    if (room === 0 || waiting.length > 0) {
      waiting.push(work);
      return;
    }
    room -= 1;
    work();
  };
}
