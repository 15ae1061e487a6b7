/** Without what is undefined or null: it would take the place of a default, and the addon's own may be less safe. */
export function given<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined && value !== null)) as T;
}
