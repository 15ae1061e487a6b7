/** Calls back when what is ready in this turn of the event loop has been handled. No time is measured by it. */
export function afterThisTurn(callback: () => void): void {
  setImmediate(callback);
}
