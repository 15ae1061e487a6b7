// Rules promise RE2: its syntax, and time in proportion to the text. An engine for that in JavaScript takes some ten times
// as long as the platform's own, which keeps the same promise for patterns as plain as most are.

const part = String.raw`(?:\[[\w.:@+\/ -]+\]|\\[.+\-\/]|[\w:@ -])`;
const fixedPart = new RegExp(String.raw`${part}(?:\{\d{1,3}\})?(?![+*?{])`, 'y');
const variablePart = new RegExp(String.raw`${part}(?:[+*?]|\{\d{1,3},\d{0,3}\})(?![+*?{])`, 'y');

/** Whether a pattern is a row of characters and classes from start to end, of which one at most may repeat as often as it likes. */
export function isPlainPattern(pattern: string): boolean {
  if (!pattern.startsWith('^') || !pattern.endsWith('$')) return false;
  const end = pattern.length - 1;
  let variable = 0;
  for (let at = 1; at < end; ) {
    fixedPart.lastIndex = at;
    variablePart.lastIndex = at;
    if (fixedPart.test(pattern)) at = fixedPart.lastIndex;
    else if (variable === 0 && variablePart.test(pattern)) {
      variable += 1;
      at = variablePart.lastIndex;
    } else return false;
  }
  return true;
}

const maxKept = 1_000;
const kept = new Map<string, RegExp>();

/** Matches a plain pattern. Throws for any other. */
export function matchPlain(pattern: string, text: string): boolean {
  let expression = kept.get(pattern);
  if (expression === undefined) {
    if (!isPlainPattern(pattern)) throw new RangeError(`"${pattern}" is no plain pattern`);
    expression = new RegExp(pattern);
    if (kept.size < maxKept) kept.set(pattern, expression);
  }
  return expression.test(text);
}
