// One address and nothing else: no list, no display name, no control characters, so that it cannot reach a second person or add a header.
const address = /^[^\s@<>()[\],;:"\\\p{Cc}]{1,64}@[^\s@<>()[\],;:"\\\p{Cc}]{1,255}$/u;

/** Whether a text is one plain email address. */
export function isEmailAddress(text: string): boolean {
  return address.test(text);
}
