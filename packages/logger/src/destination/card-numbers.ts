// A UUID comes first, so that its digits are passed over; then runs of 13 to 19 digits, grouped by blanks or hyphens or not.
const candidates = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<![\d.])\d(?:[ -]?\d){12,18}(?!\d)/gi;
const zero = 48;

/** Whether the digits pass the check that card numbers pass. */
function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = digits.length - 1, odd = true; i >= 0; i -= 1, odd = !odd) {
    const digit = digits.charCodeAt(i) - zero;
    const weighed = odd ? digit : digit * 2;
    sum += weighed > 9 ? weighed - 9 : weighed;
  }
  return sum % 10 === 0;
}

/** Whether an issuer could have given out the number: what begins with 1 is a time stamp, and most else that short is an id. */
function hasIssuer(digits: string): boolean {
  if (digits.length === 13) return digits.startsWith('4');
  if (digits.length <= 15) return digits.startsWith('3');
  return /^[2-68]/.test(digits);
}

/** Replaces what looks like a card number (length, issuer's digits, Luhn check) inside a text. */
export function redactCardNumbers(text: string, replacement: string): string {
  if (text.length < 13) return text;
  return text.replace(candidates, (found) => {
    const digits = found.replace(/[ -]/g, '');
    return digits.length <= 19 && hasIssuer(digits) && passesLuhn(digits) ? replacement : found;
  });
}
