/** Quoted texts, quoted names and comments, and then what stands for a parameter. */
const tokens = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|(\?\d*|[:@$]\w+)/g;

/** How many parameters a statement has places for; `undefined` if they have numbers or names, which say themselves what goes where. */
export function placesIn(sql: string): number | undefined {
  let places = 0;
  for (const [, place] of sql.matchAll(tokens)) {
    if (place === undefined) continue;
    if (place !== '?') return undefined;
    places += 1;
  }
  return places;
}
