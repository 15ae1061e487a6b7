/** How many characters a text has as the contracts count them, and columns of MySQL too: code points. An emoji is one, though two units of UTF-16. */
export function characterCount(text: string): number {
  let pairs = 0;
  for (let i = 1; i < text.length; i++) {
    if ((text.charCodeAt(i) & 0xfc00) === 0xdc00 && (text.charCodeAt(i - 1) & 0xfc00) === 0xd800) pairs += 1;
  }
  return text.length - pairs;
}
