const longest = 1_000;

/** What others say, for people to read: of a long text the first 1,000 characters, for however long it is, it must not keep news from being stored. */
export function bounded(text: string): string {
  return text.length <= longest ? text : `${text.slice(0, longest).toWellFormed()}…`;
}
