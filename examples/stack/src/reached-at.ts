/** Where those on the same machine reach what listens on a host: `127.0.0.1:50051`, `[::1]:50051`. */
export function reachedAt(host: string, port: number | string): string {
  if (host === '0.0.0.0' || host === '::') return `127.0.0.1:${port}`;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
