const RFC3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** Unix milliseconds of an RFC 3339 time with its offset; NaN for any other text. */
export function fromRfc3339(text: string): number {
  return RFC3339.test(text) ? Date.parse(text) : Number.NaN;
}
