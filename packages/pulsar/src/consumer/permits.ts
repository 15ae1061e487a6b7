/** What decides about a consumer's permits. */
export interface PermitOptions {
  /** Messages asked for in advance; 0: one at a time, when somebody waits. */
  readonly queueSize: number;
  /** Sends FLOW. Never called with 0, which would make the broker close the connection. */
  readonly flow: (permits: number) => void;
  /** How many messages may be on their way now; asked before each FLOW. Default: no limit. */
  readonly room?: () => number;
}

/** How many messages the broker may send: the one place from which FLOW is sent. */
export class Permits {
  readonly #options: PermitOptions;
  readonly #threshold: number;
  #owed = 0;
  #outstanding = 0;
  #connected = false;
  #holds = 0;

  constructor(options: PermitOptions) {
    this.#options = options;
    this.#threshold = Math.max(1, Math.floor(options.queueSize / 2));
  }

  /** A new session: whatever was owed belonged to the old one. */
  start(wanted: number = this.#options.queueSize): void {
    this.#connected = true;
    this.#owed = wanted;
    this.#outstanding = 0;
    this.flush();
  }

  /** How many messages the broker may still send; below 0 if it sent whole batches beyond that. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** The broker sent so many messages. */
  arrived(messages: number): void {
    this.#outstanding -= messages;
  }

  /** The session is over. */
  stop(): void {
    this.#connected = false;
    this.#owed = 0;
  }

  /** So many messages were handed out or dropped. Negative: they came back. */
  add(permits: number): void {
    if (!this.#connected) return;
    this.#owed += permits;
    if (this.#owed >= this.#threshold) this.flush();
  }

  /** Sends what is owed as far as there is room, unless something holds it back. */
  flush(): void {
    if (!this.#connected || this.#holds > 0 || this.#owed <= 0) return;
    const room = this.#options.room?.() ?? Number.POSITIVE_INFINITY;
    const permits = Math.min(this.#owed, room - this.#outstanding);
    // Where room is short some are given at once rather than each by itself; while something is on its way there is time.
    if (permits < 1 || (permits < this.#owed && this.#outstanding > 0 && permits * 4 < room)) return;
    this.#owed -= permits;
    this.#outstanding += permits;
    this.#options.flow(permits);
  }

  /** Stops FLOW until as many releases. */
  hold(): void {
    this.#holds += 1;
  }

  release(): void {
    this.#holds -= 1;
    this.flush();
  }
}
