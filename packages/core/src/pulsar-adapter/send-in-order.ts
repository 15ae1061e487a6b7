import type { OutgoingMessage } from '../broker/port.ts';

/** Whatever a broker's limit is, messages up to this size in bytes are hardly refused for theirs. */
const surelyTakenBytes = 256 * 1024;

function mayBeTooLarge({ payload, key = '', properties = {} }: OutgoingMessage): boolean {
  let size = payload.length + key.length;
  if (size > surelyTakenBytes) return true;
  for (const name in properties) size += name.length + (properties[name]?.length ?? 0);
  return size > surelyTakenBytes;
}

/**
 * Sends messages side by side, but large ones by themselves, after all that come before and before all that come later: one that
 * the broker refuses for its size is the last that is sent, so that nothing overtakes it.
 */
export async function sendInOrder(
  messages: readonly OutgoingMessage[],
  send: (message: OutgoingMessage) => Promise<unknown>,
): Promise<void> {
  const settled = async (run: readonly OutgoingMessage[]): Promise<void> => {
    const outcomes = await Promise.allSettled(run.map(send));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  };
  let begin = 0;
  for (const [index, message] of messages.entries()) {
    if (!mayBeTooLarge(message)) continue;
    if (index > begin) await settled(messages.slice(begin, index));
    await settled([message]);
    begin = index + 1;
  }
  if (begin < messages.length) await settled(begin === 0 ? messages : messages.slice(begin));
}
