/** Something that runs and can be stopped: what every `create…` of the packages that runs in the background gives. */
export interface Running {
  /** Rejects if it cannot do its work now, saying why. */
  check?(): Promise<void>;
  /** Stops intake, finishes what is under way until `timeoutMs` (default: 10,000) is over, then closes what it created itself. Safe to call again. */
  close(timeoutMs?: number): Promise<void>;
}

/** A part of a process: how it is started. */
export interface Component {
  /** For logs and health: `order`. */
  readonly name: string;
  /** Whether the process cannot do its work, and is not ready, while this one is degraded. Default: true. */
  readonly essential?: boolean | undefined;
  /** Resolves when it does its work. */
  start(): Promise<Running>;
}

/** How one component is. */
export interface ComponentHealth {
  /** The component’s name. */
  readonly name: string;
  /** How it is. */
  readonly state: 'stopped' | 'starting' | 'ready' | 'degraded' | 'stopping' | 'failed';
  /** Why, unless it is ready. */
  readonly detail?: string | undefined;
}

/** The health of a whole process. */
export interface Health {
  /** Whether every essential component does its work now, and the others have been started. */
  readonly ready: boolean;
  /** Each component, in the order in which they start. */
  readonly components: readonly ComponentHealth[];
}

/** A set of components: started in the order given, stopped in the reverse. */
export interface Lifecycle {
  /** Starts each in turn. If one fails, those started are stopped again and its error is thrown. */
  start(): Promise<void>;
  /** Asks each component how it is. */
  health(): Promise<Health>;
  /** Stops each, the last started first, within `timeoutMs` (default: 10,000) in all. All are stopped, whatever one throws; then the first error is thrown. Safe to call again. */
  stop(timeoutMs?: number): Promise<void>;
}
