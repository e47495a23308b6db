import { createHash, randomBytes } from "node:crypto";
import { getCookie } from "hono/cookie";
import type { Session, SessionStore } from "../metrics/store/sessions.ts";
import { NO_PREFERENCES, PREFERENCES, type Preferences } from "../views/preferences.ts";
import type { Ctx } from "./route.ts";

const COOKIE = "evenkeel_session";
const SECRET_BYTES = 32;
const SECRET = /^[\w-]{43}$/;
const DAY_MS = 86_400_000;
/** A session that is not used for so long ends. */
const LIFETIME_MS = 180 * DAY_MS;

/** A viewer's session, from the cookie of a request. */
export class Sessions {
  readonly #store: () => SessionStore;
  readonly #now_ms: () => number;
  readonly #path: string;
  #expired_ms = 0;

  /** @param base_path ends with a slash */
  constructor(store: () => SessionStore, now_ms: () => number, base_path: string) {
    this.#store = store;
    this.#now_ms = now_ms;
    this.#path = base_path;
  }

  /** What the viewer chose; nothing is where there is no session. */
  preferences(c: Ctx): Preferences {
    const session = this.#find(c);
    if (!session) return NO_PREFERENCES;
    const parsed = PREFERENCES.safeParse(JSON.parse(session.preferences));
    return parsed.success ? parsed.data : NO_PREFERENCES;
  }

  /** Keeps what the viewer chose, in a session that begins with it. @returns headers for the answer */
  save(c: Ctx, preferences: Preferences): Record<string, string> {
    const now_ms = this.#now_ms();
    this.#expire(now_ms);
    const held = this.#find(c);
    const secret = held ? secretOf(c)! : randomBytes(SECRET_BYTES).toString("base64url");
    const created_ms = held?.created_ms ?? now_ms;
    this.#store().put({
      hash: hashOf(secret),
      created_ms,
      seen_ms: dayOf(now_ms),
      preferences: JSON.stringify(preferences),
    });
    return { "Set-Cookie": this.#cookie(secret, LIFETIME_MS / 1000) };
  }

  /** Forgets the viewer. @returns headers for the answer */
  end(c: Ctx): Record<string, string> {
    const secret = secretOf(c);
    if (secret) this.#store().remove(hashOf(secret));
    return { "Set-Cookie": this.#cookie("", 0) };
  }

  #find(c: Ctx): Session | undefined {
    const secret = secretOf(c);
    const session = secret && this.#store().find(hashOf(secret));
    if (!session) return undefined;
    const today_ms = dayOf(this.#now_ms());
    if (session.seen_ms < today_ms - LIFETIME_MS) return undefined;
    if (session.seen_ms < today_ms) this.#store().put({ ...session, seen_ms: today_ms });
    return session;
  }

  #expire(now_ms: number): void {
    if (now_ms - this.#expired_ms < DAY_MS) return;
    this.#expired_ms = now_ms;
    this.#store().expire(dayOf(now_ms) - LIFETIME_MS);
  }

  #cookie(value: string, max_age_s: number): string {
    return `${COOKIE}=${value}; Path=${this.#path}; Max-Age=${max_age_s}; HttpOnly; SameSite=Lax`;
  }
}

function secretOf(c: Ctx): string | undefined {
  const value = getCookie(c, COOKIE);
  return value !== undefined && SECRET.test(value) ? value : undefined;
}

function hashOf(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}

function dayOf(at_ms: number): number {
  return Math.floor(at_ms / DAY_MS) * DAY_MS;
}
