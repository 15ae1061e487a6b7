const dayMs = 86_400_000;

let lastDay = Number.NaN;
let lastDate = 0;

/** Days since the epoch to a date of the proleptic Gregorian calendar. */
function dateOfDay(day: number): number {
  const shifted = day + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const dayOfMonth = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return year * 10_000 + month * 100 + dayOfMonth;
}

/**
 * The UTC date of a moment as a number that a person can read and that sorts: 20261122.
 *
 * @see https://howardhinnant.github.io/date_algorithms.html#civil_from_days
 */
export function eventDateOf(ms: number): number {
  const day = Math.floor(ms / dayMs);
  if (day !== lastDay) {
    lastDate = dateOfDay(day);
    lastDay = day;
  }
  return lastDate;
}
