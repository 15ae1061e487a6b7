/** An address without its password. In that, and in the user's name, there may be an `@`: the host begins behind the last one. */
export function withoutPassword(url: string): string {
  return url.replace(/\/\/([^:/?#]*):[^/?#]*@/, '//$1:***@');
}
