import { z } from "zod";
import { EvenkeelError } from "../../errors.ts";
import type { AccountStore } from "../../metrics/store/accounts.ts";
import type { AccountView, LoginView } from "../../views/account.tsx";
import { answer } from "../answers.ts";
import type { Forms } from "../forms.ts";
import { given, parseParams } from "../params.ts";
import type { Ctx, Route } from "../route.ts";
import type { Sessions } from "../sessions.ts";
import { changePassword } from "./accounts.ts";
import { addressOf, networkOf } from "./address.ts";
import { isPassword } from "./passwords.ts";
import { Throttle } from "./throttle.ts";

/** Wrong passwords before one has to wait: of one account from one address, from one address, of one account. */
const FREE = { pair: 5, address: 20, account: 100 };
const MAX_NAME = 64;
const MAX_PASSWORD = 1024;
const HTML = { type: "text/html; charset=utf-8", headers: { Vary: "Cookie, Accept-Encoding" } };
const PAGE = { description: "The page", content: { "text/html": null } };

const NEXT = z.object({
  next: z
    .string()
    .max(2000)
    .optional()
    .describe("Where it leads then, below the base path")
    .meta({ example: "workers" }),
});
const JUST_DONE = z.object({
  done: z.string().optional().describe("What was just done").meta({ example: "saved" }),
});

export interface LoginDeps {
  readonly accounts: () => AccountStore;
  readonly sessions: Sessions;
  readonly forms: Forms;
  readonly now_ms: () => number;
  readonly renderLogin: (c: Ctx, view: LoginView) => string;
  readonly renderAccount: (c: Ctx, view: AccountView) => string;
}

/** Where one logs in and out, and deals with one's own account. */
export function loginRoutes(deps: LoginDeps): Route[] {
  const { accounts, sessions, forms, now_ms, renderLogin, renderAccount } = deps;
  const guard = new LoginGuard();
  const mine = (c: Ctx) => {
    const session = sessions.loggedIn(c);
    if (session) return { session, name: session.user! };
    throw new EvenkeelError("unauthorized", "This takes a log-in");
  };
  const page = (c: Ctx, { done = null, problem = null }: Partial<Pick<AccountView, "done" | "problem">>) => {
    const session = sessions.loggedIn(c);
    const user = session && accounts().user(session.user!);
    const all = session ? accounts().sessions.loggedIn(session.user!) : [];
    return renderAccount(c, {
      user: user ?? null,
      session: session?.hash ?? "",
      sessions: all,
      done,
      problem,
    });
  };
  const login = async (c: Ctx, fields: URLSearchParams) => {
    const name = (fields.get("name") ?? "").trim().toLowerCase().slice(0, MAX_NAME);
    const password = (fields.get("password") ?? "").slice(0, MAX_PASSWORD);
    const address = addressOf(c);
    guard.check(name, networkOf(address), now_ms());
    const user = accounts().user(name);
    if (!(await isPassword(password, user?.password)) || !user) {
      guard.fail(name, networkOf(address), now_ms());
      c.set("audited", { who: name, detail: "refused" });
      throw new EvenkeelError("unauthorized", "There is no such user, or the password is another", {
        details: { path: "password" },
      });
    }
    guard.succeed(name, networkOf(address));
    c.set("audited", { who: name, detail: "" });
    const client = `${browserOf(c.req.header("user-agent"))} at ${address}`;
    return forms.back(localPath(fields.get("next")), sessions.logIn(c, user.name, client));
  };
  return [
    {
      method: "GET",
      path: "/login",
      needs: "nothing",
      summary: "The page where one logs in.",
      params: NEXT,
      response: PAGE,
      handler: (c) =>
        answer(
          c,
          renderLogin(c, { next: localPath(parseParams(NEXT, given(c)).next ?? null), problem: null }),
          HTML,
        ),
    },
    {
      ...forms.route("/login", "nothing", "Logs in.", login, (c, problem) =>
        renderLogin(c, { next: localPath(problem.filled["next"] ?? null), problem }),
      ),
      audit: true,
    },
    {
      ...forms.route("/logout", "nothing", "Logs out: this browser's session ends.", (c) => {
        const who = sessions.loggedIn(c)?.user;
        c.set("audited", who === undefined || who === null ? null : { who, detail: "" });
        return forms.back("login", sessions.end(c));
      }),
      audit: true,
    },
    {
      method: "GET",
      path: "/account",
      needs: "read",
      summary: "The page of one's own account: password and sessions.",
      params: JUST_DONE,
      response: PAGE,
      handler: (c) => {
        const done = DONE[parseParams(JUST_DONE, given(c)).done ?? ""] ?? null;
        return answer(c, page(c, { done }), HTML);
      },
    },
    {
      ...forms.route(
        "/account/password",
        "read",
        "Changes one's own password.",
        async (c, fields) => {
          const { name, session } = mine(c);
          guard.check(name, networkOf(addressOf(c)), now_ms());
          if (!(await isPassword(fields.get("old") ?? "", accounts().user(name)?.password))) {
            guard.fail(name, networkOf(addressOf(c)), now_ms());
            throw new EvenkeelError("forbidden", "The old password is wrong", { details: { path: "old" } });
          }
          await changePassword(accounts(), name, fields.get("password") ?? "", session.hash);
          return forms.back("account?done=password");
        },
        (c, problem) => page(c, { problem }),
      ),
      audit: true,
    },
    {
      ...forms.route("/account/sessions/end", "read", "Ends one of one's own sessions.", (c, fields) => {
        const { name } = mine(c);
        const one = accounts().sessions.find(fields.get("session") ?? "");
        if (one?.user === name) accounts().sessions.remove(one.hash);
        return forms.back("account?done=ended");
      }),
      audit: true,
    },
    {
      ...forms.route("/account/sessions/end-all", "read", "Logs out everywhere.", (c) => {
        accounts().sessions.endAll(mine(c).name);
        return forms.back("login", sessions.end(c));
      }),
      audit: true,
    },
  ];
}

const DONE: Readonly<Record<string, string>> = {
  password: "The password is changed; all other sessions are ended.",
  ended: "The session is ended.",
};

/** Whoever guesses has to wait, whether at one account or at many, from one address or from many. */
class LoginGuard {
  readonly #pairs = new Throttle(FREE.pair);
  readonly #addresses = new Throttle(FREE.address);
  readonly #accounts = new Throttle(FREE.account);

  check(name: string, address: string, now_ms: number): void {
    this.#pairs.check(`${address} ${name}`, now_ms);
    this.#addresses.check(address, now_ms);
    this.#accounts.check(name, now_ms);
  }

  fail(name: string, address: string, now_ms: number): void {
    this.#pairs.fail(`${address} ${name}`, now_ms);
    this.#addresses.fail(address, now_ms);
    this.#accounts.fail(name, now_ms);
  }

  succeed(name: string, address: string): void {
    this.#pairs.succeed(`${address} ${name}`);
  }
}

/** A path below the base path and nothing else: no other host, however it is written. */
function localPath(given: string | null): string {
  if (given === null || !/^[\x21-\x7e]{1,2000}$/.test(given) || /^[/\\]|[\\]/.test(given)) return "";
  const base = "http://evenkeel.invalid/base/";
  if (!URL.canParse(given, base)) return "";
  const { origin, pathname, search } = new URL(given, base);
  if (origin !== "http://evenkeel.invalid" || !pathname.startsWith("/base/")) return "";
  const path = pathname.slice("/base/".length);
  // What is left must not lead elsewhere by itself: as //host, or with a scheme.
  return /^[/\\]|\/\/|^[^/]*:/.test(path) ? "" : path + search;
}

/** What a person recognises a browser by. */
function browserOf(agent = ""): string {
  const name = /(Firefox|Edg|OPR|Chrome|Safari|curl)\/(\d+)/.exec(agent);
  const system = /Windows|Android|iPhone|iPad|Mac OS X|Linux/.exec(agent);
  return [
    name ? name[1]!.replace("Edg", "Edge").replace("OPR", "Opera") : "A client",
    system && `on ${system[0]}`,
  ]
    .filter(Boolean)
    .join(" ");
}
