import { randomBytes } from "node:crypto";
import { EvenkeelError } from "../../errors.ts";
import type { EmbedLink } from "../../metrics/accounts.ts";
import { type AccountStore, MAX_ACCOUNTS } from "../../metrics/store/accounts.ts";
import type { Given } from "../params.ts";
import type { Route } from "../route.ts";
import { NO_PANELS } from "../stream.ts";

const KEY = "embed_links";
const ALGORITHM = "HS256";
const ID_BYTES = 9;
const DAY_MS = 86_400_000;
const MAX_DAYS = 366;
const MAX_QUERY = 2000;
/** How it looks and which stretch of time it shows is up to whoever shows it; all else is bound. */
const FREE = new Set([
  ...["link", "panels", "poll", "theme", "density", "tz", "refresh", "kiosk", "format", "as_of"],
  ...["from", "to", "duration", "minutes", "step", "points"],
]);

/**
 * Makes a link: a panel with its parameters, to be seen by whoever has it until it expires or is revoked.
 *
 * @returns what its address carries as `link`
 * @throws EvenkeelError "invalid", "too_many"
 */
export async function makeLink(
  accounts: AccountStore,
  { panel, given, days, by }: { panel: string; given: Given; days: number; by: string },
  now_ms: number,
): Promise<string> {
  if (!Number.isInteger(days) || days < 1 || days > MAX_DAYS) {
    throw new EvenkeelError("invalid", `days must be a whole number from 1 to ${MAX_DAYS}; got ${days}`, {
      details: { path: "days" },
    });
  }
  const query = bound(given);
  if (query.length > MAX_QUERY)
    throw new EvenkeelError(
      "invalid",
      `the parameters must be at most ${MAX_QUERY} characters; got ${query.length}`,
    );
  const id = randomBytes(ID_BYTES).toString("base64url");
  const link = { id, panel, query, created_ms: now_ms, created_by: by, expires_ms: now_ms + days * DAY_MS };
  accounts.expireLinks(now_ms);
  if (!accounts.addLink(link))
    throw new EvenkeelError("too_many", `There are at most ${MAX_ACCOUNTS} links; revoke some first`);
  const { SignJWT } = await import("jose");
  return await new SignJWT({ panel })
    .setProtectedHeader({ alg: ALGORITHM })
    .setJti(id)
    .setExpirationTime(Math.floor(link.expires_ms / 1000))
    .sign(accounts.key(KEY));
}

/** @throws EvenkeelError "unauthorized" for one that is not ours, is over or was revoked */
export async function readLink(accounts: AccountStore, text: string, now_ms: number): Promise<EmbedLink> {
  const { jwtVerify } = await import("jose");
  let id: string | undefined;
  try {
    const options = { algorithms: [ALGORITHM], currentDate: new Date(now_ms) };
    id = (await jwtVerify(text.slice(0, MAX_QUERY), accounts.key(KEY), options)).payload.jti;
  } catch {
    // Which of its parts is wrong is nobody's business.
  }
  const link = id === undefined ? undefined : accounts.link(id);
  if (link && link.expires_ms > now_ms) return link;
  throw new EvenkeelError(
    "unauthorized",
    "This link has expired or was revoked, or its address is cut off: ask whoever gave it to you for another",
  );
}

/** Whether the link opens that route with these parameters. */
export function linkOpens(
  { panel, query }: EmbedLink,
  route: Pick<Route, "path" | "shows">,
  given: Given,
): boolean {
  const asked = route.path === "/stream" ? given.get("panels") : route.shows;
  // The ticks alone, by which the page of a panel that stands still tells that the server is there.
  if (route.path === "/stream" && asked === NO_PANELS) return true;
  return asked === panel && bound(given) === query;
}

/** The parameters that are not free, in an order of their own. */
function bound(given: Given): string {
  const query = new URLSearchParams();
  for (const [name, value] of [...given].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!FREE.has(name)) for (const one of [value].flat()) query.append(name, one);
  }
  return query.toString();
}
