/** An address without its password, in which there may be an `@`: what stands before the last one is not of the host. */
export function withoutPassword(url: string): string {
  return url.replace(/\/\/([^:@/?#]*):[^/?#]*@/, '//$1:***@');
}
