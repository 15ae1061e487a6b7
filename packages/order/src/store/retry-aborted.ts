import { PaystreamError } from '@paystream/core';

/** Runs a transaction again, at most `tries` times in all, while it loses against others. */
export async function retryAborted<T>(work: () => Promise<T>, tries = 5): Promise<T> {
  for (let left = tries; ; left--) {
    try {
      return await work();
    } catch (error) {
      if (left <= 1 || PaystreamError.from(error).code !== 'ABORTED') throw error;
    }
  }
}
