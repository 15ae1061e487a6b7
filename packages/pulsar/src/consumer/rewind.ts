/** How long nothing may come before the broker is taken to have nothing more on its way, in milliseconds. */
const QUIET_MS = 100;
const CHECK_MS = 10;

/** What a rewind asks of its consumer. */
export interface RewindHooks {
  hold(): void;
  release(): void;
  /** How many messages the broker may still send. */
  outstanding(): number;
  /** Asks for everything again. */
  send(): void;
}

/**
 * Asks a broker for everything again once it is not sending. Asked while it reads, broker 4.0 may go on from where it is,
 * begin twice, or not go back at all: whoever then acknowledges cumulatively would acknowledge what he has not seen.
 */
export class Rewind {
  readonly #hooks: RewindHooks;
  #timer: NodeJS.Timeout | undefined;
  #lastArrival = 0;

  constructor(hooks: RewindHooks) {
    this.#hooks = hooks;
  }

  /** Whether what comes is to be dropped, since it comes again. */
  get underWay(): boolean {
    return this.#timer !== undefined;
  }

  begin(): void {
    if (this.underWay) return;
    this.#hooks.hold();
    this.#lastArrival = performance.now();
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
    this.#check();
  }

  /** Something came, and was dropped. */
  arrived(): void {
    this.#lastArrival = performance.now();
  }

  #check(): void {
    if (this.#hooks.outstanding() > 0 && performance.now() - this.#lastArrival < QUIET_MS) return;
    this.#stop();
    this.#hooks.send();
    this.#hooks.release();
  }

  /** The session is over: a new one begins at the first message that is not acknowledged. */
  cancel(): void {
    if (!this.underWay) return;
    this.#stop();
    this.#hooks.release();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
