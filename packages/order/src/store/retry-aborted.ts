import { PaystreamError } from '@paystream/core';

/** Runs a transaction again, at most `tries` times in all, while others change what it read. Where they only block it the database itself tries again. */
export async function retryAborted<T>(work: () => Promise<T>, tries = 5): Promise<T> {
  for (let left = tries; ; left--) {
    try {
      return await work();
    } catch (error) {
      if (left <= 1 || PaystreamError.from(error).reason !== 'ORDER_CHANGED') throw error;
    }
  }
}
