/** The durable subscription for which dead letters are kept, unless another is named: subscribe to a dead-letter topic by it to read them. */
export const deadLetterSubscription = 'dead-letters' as const;
