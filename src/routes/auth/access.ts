import { createHash, timingSafeEqual } from "node:crypto";
import { EvenkeelError } from "../../errors.ts";
import { isLoopback } from "../../kinds.ts";
import type { EmbedLink, Role } from "../../metrics/accounts.ts";
import type { AccountStore } from "../../metrics/store/accounts.ts";
import { given } from "../params.ts";
import type { Ctx, Needs, Route } from "../route.ts";
import type { Sessions } from "../sessions.ts";
import { addressOf, networkOf } from "./address.ts";
import { type Caller, inWords } from "./caller.ts";
import { linkOpens, readLink } from "./links.ts";
import { Throttle } from "./throttle.ts";

/** What a role, or whoever shows an ingest token, may do. */
const ALLOWED: Readonly<Record<Role | "ingest" | "anyone" | "nobody", readonly Needs[]>> = {
  nobody: ["nothing"],
  anyone: ["nothing", "read", "operate", "ingest"],
  ingest: ["nothing", "ingest"],
  viewer: ["nothing", "read"],
  operator: ["nothing", "read", "operate", "ingest"],
  admin: ["nothing", "read", "operate", "ingest", "administer"],
};

const WHO_MAY: Readonly<Record<Needs, string>> = {
  nothing: "anybody",
  read: "a viewer",
  ingest: "whoever shows an ingest token, or an operator",
  operate: "an operator",
  administer: "an administrator",
};

/** Wrong tokens from one address before it has to wait. */
const FREE_TOKENS = 20;
const MINUTE_MS = 60_000;

export interface AccessDeps {
  readonly accounts: () => AccountStore;
  readonly sessions: Sessions;
  /** The one of the settings; null for none. */
  readonly ingest_token: string | null;
  readonly now_ms: () => number;
  /** Whether everybody who reaches it may come in while there are no users. */
  readonly open_to_all: boolean;
}

/** Decides who may do what. */
export class Access {
  readonly #deps: AccessDeps;
  readonly #throttle = new Throttle(FREE_TOKENS);
  readonly #lasting = new Map<Lasting, Caller>();
  #protected = false;
  #version = -1;

  constructor(deps: AccessDeps) {
    this.#deps = deps;
  }

  /** Whether one has to log in. Once there were users it stays so: who removes the last one opens nothing. */
  get protected(): boolean {
    this.#protected ||= this.#deps.accounts().hasUsers();
    return this.#protected;
  }

  /** Whether whoever reports has to show a token. */
  get token_needed(): boolean {
    return this.protected || !this.#ingestIsFree;
  }

  /** Who asks, by what they show. @throws EvenkeelError where they show a token that is none */
  identify(c: Ctx, needs: Needs): Caller {
    const { sessions } = this.#deps;
    const bearer = bearerOf(c);
    if (bearer !== null && (needs === "ingest" || this.protected)) return this.#bearing(c, bearer, needs);
    if (!this.protected) return { kind: needs === "ingest" && this.token_needed ? "nobody" : "anyone" };
    const session = sessions.loggedIn(c);
    const user = session && this.#deps.accounts().user(session.user!);
    if (!session || !user) return { kind: "nobody" };
    const { hash, ends_ms } = session;
    return { kind: "user", name: user.name, role: user.role, session: hash, ends_ms: ends_ms! };
  }

  /** @throws EvenkeelError "unauthorized" for whoever did not say who they are, "forbidden" for whoever did */
  check(c: Ctx, { method, path, needs }: Pick<Route, "method" | "path" | "needs">): Caller {
    if (needs === "nothing") return { kind: "nobody" };
    const caller = this.identify(c, needs);
    if (caller.kind === "anyone") this.#mustBeNear(c);
    if (ALLOWED[rightsOf(caller)].includes(needs)) return caller;
    const what = `${method} ${path}`;
    if (caller.kind === "nobody") {
      const how = needs === "ingest" ? "send" : "log in, or send";
      throw new EvenkeelError(
        "unauthorized",
        `${what} is for ${WHO_MAY[needs]}: ${how} a token as Authorization: Bearer …`,
      );
    }
    const make = caller.kind === "anyone" ? "; make the first user with evenkeel user add" : "";
    throw new EvenkeelError(
      "forbidden",
      `${what} is for ${WHO_MAY[needs]}, not for ${inWords(caller)}${make}`,
    );
  }

  /**
   * While nobody has to log in it answers to names of this machine alone: not through a proxy, and not to a page
   * whose own name was made to lead here.
   */
  #mustBeNear(c: Ctx): void {
    const host = c.req.header("host") ?? new URL(c.req.url).host;
    const { hostname } = new URL(
      URL.canParse(`http://${host}`) ? `http://${host}` : "http://unknown.invalid",
    );
    if (this.#deps.open_to_all || isLoopback(hostname.replace(/^\[|\]$/g, ""))) return;
    throw new EvenkeelError(
      "forbidden",
      `While nobody has to log in it answers to localhost alone; got Host ${JSON.stringify(host.slice(0, 120))}. Make the ` +
        "first user with evenkeel user add NAME --role admin, or set EVENKEEL_ALLOW_UNPROTECTED=on",
    );
  }

  get #ingestIsFree(): boolean {
    const { ingest_token, accounts } = this.#deps;
    return ingest_token === null && !accounts().hasIngestTokens();
  }

  #bearing(c: Ctx, bearer: string, needs: Needs): Caller {
    const { accounts, ingest_token, now_ms } = this.#deps;
    if (needs === "ingest" && ingest_token !== null && isSame(bearer, ingest_token)) return SETTINGS_TOKEN;
    if (needs === "ingest" && !this.protected && this.#ingestIsFree) return { kind: "anyone" };
    const at_ms = now_ms();
    const token = accounts().tokenByHash(hashOfSecret(bearer));
    if (!token) {
      this.#noteGuess(c, at_ms);
      throw new EvenkeelError(
        "unauthorized",
        "Authorization must be Bearer and a token; it is none that is known",
      );
    }
    const minute_ms = Math.floor(at_ms / MINUTE_MS) * MINUTE_MS;
    if (token.used_ms !== minute_ms) accounts().tokenUsed(token.id, minute_ms);
    return { kind: "token", token };
  }

  /** Whoever shows what is none has to wait; beside them, at the same address, others show what is. */
  #noteGuess(c: Ctx, at_ms: number): void {
    const network = networkOf(addressOf(c));
    this.#throttle.check(network, at_ms);
    this.#throttle.fail(network, at_ms);
  }

  /** Whoever has a link to a panel sees that panel, and nothing else. @throws EvenkeelError */
  async checkLink(c: Ctx, route: Pick<Route, "path" | "shows">, text: string): Promise<Caller> {
    const at_ms = this.#deps.now_ms();
    let link: EmbedLink;
    try {
      link = await readLink(this.#deps.accounts(), text, at_ms);
    } catch (error) {
      this.#noteGuess(c, at_ms);
      throw error;
    }
    if (linkOpens(link, route, given(c))) return { kind: "link", link };
    throw new EvenkeelError(
      "forbidden",
      `This link opens the panel ${link.panel} with its own parameters alone`,
    );
  }

  /** Ends what lasts (a stream) once its caller may not have it any more. @returns takes that back */
  watch(caller: Caller, end: () => void): () => void {
    const lasting = { end };
    this.#lasting.set(lasting, caller);
    // The right may have ended since it was looked at.
    if (!this.#holds(caller, this.#deps.now_ms(), true)) end();
    return () => this.#lasting.delete(lasting);
  }

  /** Once a tick: who lost a right loses what they have open. */
  tick(): void {
    const version = this.#deps.accounts().accessVersion();
    const at_ms = this.#deps.now_ms();
    for (const [lasting, caller] of this.#lasting) {
      if (this.#holds(caller, at_ms, version !== this.#version)) continue;
      this.#lasting.delete(lasting);
      lasting.end();
    }
    this.#version = version;
  }

  #holds(caller: Caller, at_ms: number, changed: boolean): boolean {
    if (caller.kind === "user" && caller.ends_ms <= at_ms) return false;
    if (caller.kind === "link" && caller.link.expires_ms <= at_ms) return false;
    if (!changed || caller.kind === "nobody") return true;
    const accounts = this.#deps.accounts();
    if (caller.kind === "anyone") return !this.protected;
    if (caller.kind === "token")
      return caller === SETTINGS_TOKEN || accounts.token(caller.token.id) !== undefined;
    if (caller.kind === "link") return accounts.link(caller.link.id) !== undefined;
    const session = accounts.sessions.find(caller.session);
    return session?.user === caller.name && accounts.user(caller.name)?.role === caller.role;
  }
}

interface Lasting {
  end(): void;
}

/** Of the settings: it may report as anybody. */
const SETTINGS_TOKEN: Caller = {
  kind: "token",
  token: {
    id: "",
    hash: "",
    name: "the ingest token of the settings",
    role: "ingest",
    sources: null,
    created_ms: 0,
    created_by: "",
    used_ms: null,
  },
};

/** Whether they may deal with alerts. */
export function mayOperate(caller: Caller | undefined): boolean {
  return caller !== undefined && ALLOWED[rightsOf(caller)].includes("operate");
}

function rightsOf(caller: Caller): keyof typeof ALLOWED {
  if (caller.kind === "user") return caller.role;
  if (caller.kind === "token") return caller.token.role;
  return caller.kind === "link" ? "viewer" : caller.kind;
}

function bearerOf(c: Ctx): string | null {
  const header = c.req.header("authorization");
  if (header === undefined) return null;
  return /^Bearer +(\S+)\s*$/i.exec(header)?.[1] ?? "";
}

export function hashOfSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}

/** It takes as long whatever is wrong with it. */
function isSame(text: string, other: string): boolean {
  const digest = (of: string) => createHash("sha256").update(of).digest();
  return timingSafeEqual(digest(text), digest(other));
}
