/** Requests of the platform that end by themselves; what stays open (sockets, servers, ports) says nothing of work under way. */
const underWay =
  /^(Immediate|FSReq\w*|CloseReq|GetAddrInfoReqWrap|TCPConnectWrap|PipeConnectWrap|WriteWrap|ShutdownWrap|\w*Request|\w*Job)$/;

/** What the disk is at takes as long as it takes; turns meanwhile say nothing. */
const onDisk = /^FSReq/;

/** Beyond this the code under test is taken to be busy without end: it polls by `setImmediate`. */
const maxTurns = 100_000;

/**
 * Resolves when so many turns of the event loop in a row brought no work: no immediate set, no request to the platform open, and
 * nothing `elsewhere`, which gives what ends with the work that cannot be seen here, if there is any.
 */
export function settleTurns(quietTurns: number, elsewhere?: () => Promise<unknown> | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    let quiet = 0;
    let turns = 0;
    const turn = (): void => {
      const awaited = elsewhere?.();
      if (awaited !== undefined) {
        quiet = 0;
        awaited.then(() => setImmediate(turn), reject);
        return;
      }
      const active = process.getActiveResourcesInfo();
      quiet = active.some((name) => underWay.test(name)) ? 0 : quiet + 1;
      if (!active.some((name) => onDisk.test(name))) turns += 1;
      if (quiet >= quietTurns) resolve();
      else if (turns >= maxTurns) reject(new Error(`the code under test is not idle after ${maxTurns} turns of the event loop`));
      else setImmediate(turn);
    };
    setImmediate(turn);
  });
}
