import { createHash, randomBytes } from "node:crypto";
import { getCookie } from "hono/cookie";
import type { Session, SessionStore } from "../metrics/store/sessions.ts";
import { NO_PREFERENCES, PREFERENCES, type Preferences } from "../views/preferences.ts";
import type { Ctx } from "./route.ts";

const COOKIE = "evenkeel_session";
/** Over TLS a browser takes it from this host alone, for all of it. */
const SECURE_COOKIE = `__Host-${COOKIE}`;
const SECRET_BYTES = 32;
const SECRET = /^[\w-]{43}$/;
const DAY_MS = 86_400_000;
/** A session that is not used for so long ends. */
const LIFETIME_MS = 180 * DAY_MS;
/** So long after it a log-in has to be done again. */
const LOGIN_MS = 30 * DAY_MS;
const MAX_CLIENT = 200;

/** A viewer's session, from the cookie of a request. */
export class Sessions {
  readonly #store: () => SessionStore;
  readonly #now_ms: () => number;
  readonly #path: string;
  readonly #is_secure: (c: Ctx) => boolean;
  #expired_ms = 0;

  /**
   * @param base_path ends with a slash
   * @param isSecure whether a request came over TLS
   */
  constructor(
    store: () => SessionStore,
    now_ms: () => number,
    base_path: string,
    isSecure: (c: Ctx) => boolean,
  ) {
    this.#store = store;
    this.#now_ms = now_ms;
    this.#path = base_path;
    this.#is_secure = isSecure;
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
    const secret = held ? this.#secretOf(c)! : newSecret();
    this.#store().put({
      ...(held ?? { ...NEW, hash: hashOf(secret), created_ms: now_ms }),
      seen_ms: dayOf(now_ms),
      preferences: JSON.stringify(preferences),
    });
    return { "Set-Cookie": this.#cookie(c, secret, LIFETIME_MS / 1000) };
  }

  /** The session of a user who logged in, and has not to do so again. */
  loggedIn(c: Ctx): Session | undefined {
    const session = this.#find(c);
    if (!session || session.user === null) return undefined;
    return session.ends_ms! > this.#now_ms() ? session : undefined;
  }

  /** A session anew, whose secret nobody can have seen before; what was chosen goes along. @returns headers for the answer */
  logIn(c: Ctx, user: string, client: string): Record<string, string> {
    const now_ms = this.#now_ms();
    this.#expire(now_ms);
    const held = this.#find(c);
    if (held) this.#store().remove(held.hash);
    const secret = newSecret();
    this.#store().put({
      hash: hashOf(secret),
      created_ms: now_ms,
      seen_ms: dayOf(now_ms),
      preferences: held?.preferences ?? NEW.preferences,
      user,
      ends_ms: now_ms + LOGIN_MS,
      client: client.slice(0, MAX_CLIENT),
    });
    return { "Set-Cookie": this.#cookie(c, secret, LIFETIME_MS / 1000) };
  }

  /** Forgets the viewer. @returns headers for the answer */
  end(c: Ctx): Record<string, string> {
    const secret = this.#secretOf(c);
    if (secret) this.#store().remove(hashOf(secret));
    return { "Set-Cookie": this.#cookie(c, "", 0) };
  }

  #find(c: Ctx): Session | undefined {
    const secret = this.#secretOf(c);
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

  #cookie(c: Ctx, value: string, max_age_s: number): string {
    const [name, where] = this.#is_secure(c) ? [SECURE_COOKIE, "/; Secure"] : [COOKIE, this.#path];
    return `${name}=${value}; Path=${where}; Max-Age=${max_age_s}; HttpOnly; SameSite=Lax`;
  }

  #secretOf(c: Ctx): string | undefined {
    const value = getCookie(c, this.#is_secure(c) ? SECURE_COOKIE : COOKIE);
    return value !== undefined && SECRET.test(value) ? value : undefined;
  }
}

/** Of a viewer of whom nothing is known. */
const NEW = { preferences: "{}", user: null, ends_ms: null, client: null };

function newSecret(): string {
  return randomBytes(SECRET_BYTES).toString("base64url");
}

function hashOf(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}

function dayOf(at_ms: number): number {
  return Math.floor(at_ms / DAY_MS) * DAY_MS;
}
