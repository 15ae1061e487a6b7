/** Whether a text is a card number rather than a gateway's token: 13 to 19 digits, grouped or not, that pass the Luhn check. */
export function isCardNumber(text: string): boolean {
  const digits = text.replace(/[-_.:]/g, '');
  if (!/^\d{13,19}$/.test(digits)) return false;
  let sum = 0;
  for (let i = digits.length - 1, weight = 1; i >= 0; i -= 1, weight = 3 - weight) {
    const weighed = Number(digits[i]) * weight;
    sum += weighed > 9 ? weighed - 9 : weighed;
  }
  return sum % 10 === 0;
}
