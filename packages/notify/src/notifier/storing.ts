/** Which deliveries are being stored now: they may carry this instance's name already, and no dispatcher knows of them yet. */
export interface Storing {
  has(deliveryId: string): boolean;
  /** Says so of these until the work is over. */
  during<T>(deliveryIds: readonly string[], work: () => Promise<T>): Promise<T>;
}

/** Makes the list. The same delivery may be stored by two batches at once. */
export function createStoring(): Storing {
  const batches = new Set<ReadonlySet<string>>();
  return {
    has: (deliveryId) => [...batches].some((batch) => batch.has(deliveryId)),
    during: async (deliveryIds, work) => {
      const batch = new Set(deliveryIds);
      batches.add(batch);
      try {
        return await work();
      } finally {
        batches.delete(batch);
      }
    },
  };
}
