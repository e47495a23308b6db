import { parseAccept } from "hono/utils/accept";

/**
 * The offer that an Accept header likes best, or null where it refuses them all. Offers stand in our own
 * order of preference, which decides among equals, so that a bare wildcard gives the first. RFC 9110, 12.5.1.
 */
export function negotiate<T extends string>(accept: string | undefined, offers: readonly T[]): T | null {
  if (accept === undefined || accept.trim() === "") return offers[0] ?? null;
  const ranges = parseAccept(accept).map(({ type, q }) => ({ type: type.toLowerCase(), q }));
  let best: T | null = null;
  let best_q = 0;
  for (const offer of offers) {
    const q = quality(offer, ranges);
    if (q > best_q) [best, best_q] = [offer, q];
  }
  return best;
}

/** True where the client names HTML itself: a browser does, curl's wildcard does not. */
export function namesHtml(accept: string | undefined): boolean {
  return parseAccept(accept ?? "").some(({ type, q }) => q > 0 && type.toLowerCase() === "text/html");
}

/** The best coding of a body among those we have, or null for the bytes as they are. */
export function negotiateEncoding<T extends string>(
  header: string | undefined,
  ours: readonly T[],
): T | null {
  if (header === undefined) return null;
  const codings = parseAccept(header).map(({ type, q }) => ({ type: type.toLowerCase(), q }));
  const wildcard_q = codings.find(({ type }) => type === "*")?.q ?? 0;
  let best: T | null = null;
  let best_q = 0;
  for (const coding of ours) {
    const q = codings.find(({ type }) => type === coding)?.q ?? wildcard_q;
    if (q > best_q) [best, best_q] = [coding, q];
  }
  return best;
}

/** The most specific range that covers the offer gives its quality. */
function quality(offer: string, ranges: readonly { type: string; q: number }[]): number {
  const family = `${offer.slice(0, offer.indexOf("/"))}/*`;
  for (const wanted of [offer, family, "*/*", "*"]) {
    const range = ranges.find(({ type }) => type === wanted);
    if (range) return range.q;
  }
  return 0;
}
