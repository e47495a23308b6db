import { z } from "zod";
import { ROLES, type Token, type User } from "../../metrics/accounts.ts";
import { visible } from "../../metrics/format.ts";
import type { AccountStore } from "../../metrics/store/accounts.ts";
import type { AdminView, UserView } from "../../views/admin.tsx";
import { toCsv } from "../../views/csv.ts";
import { answer, json } from "../answers.ts";
import type { Forms } from "../forms.ts";
import { negotiate } from "../negotiate.ts";
import { given, parseParams } from "../params.ts";
import type { Ctx, Route } from "../route.ts";
import type { Sessions } from "../sessions.ts";
import {
  addToken,
  addUser,
  changePassword,
  changeRole,
  knownUser,
  putUser,
  removeUser,
  revokeToken,
  TOKEN_ROLES,
} from "./accounts.ts";
import { inWords } from "./caller.ts";

const HTML = { type: "text/html; charset=utf-8", headers: { Vary: "Cookie, Accept-Encoding" } };
const AUDIT_SHOWN = 100;
const AUDIT_LIMIT = 10_000;
const JSON_TYPE = "application/json";
const CSV_TYPE = "text/csv";

const USER = z.object({
  name: z.string().describe("The user"),
  role: z.enum(ROLES).describe("What they may do"),
  created_ms: z.number().describe("Since when, Unix milliseconds"),
  sessions: z.number().describe("Browsers where they are logged in, count"),
});
const TOKEN = z.object({
  id: z.string().describe("Names it, and opens nothing"),
  name: z.string().describe("What it is for"),
  role: z.enum(TOKEN_ROLES).describe("What its holder may do"),
  sources: z.array(z.string()).nullable().describe("The sources that it may report as; null for any"),
  created_ms: z.number().describe("Since when, Unix milliseconds"),
  created_by: z.string().describe("Who made it"),
  used_ms: z.number().nullable().describe("When it was last used, to the minute; null for never"),
});
const ENTRY = z.object({
  at_ms: z.number().describe("When, Unix milliseconds"),
  who: z.string().describe("The user or the token"),
  address: z.string().describe("Where they were, or that it was done by the command line"),
  what: z.string().describe("What they did"),
  detail: z.string().describe("To what"),
});
const NEW_USER = z.strictObject({
  name: z.string().describe("In small letters"),
  role: z.string().describe(`One of ${ROLES.join(", ")}`),
  password: z.string().describe("At least 10 characters"),
});
const NEW_TOKEN = z.strictObject({
  name: z.string().describe("What it is for"),
  role: z.string().describe(`One of ${TOKEN_ROLES.join(", ")}`),
  sources: z.array(z.string()).optional().describe("The sources that it may report as; left out, any"),
});

const AUDIT = z.object({
  entries: z.coerce
    .number()
    .int()
    .min(1)
    .max(AUDIT_LIMIT)
    .default(AUDIT_SHOWN)
    .describe(`How many, 1 to ${AUDIT_LIMIT}`),
  before_ms: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe("Only what was before that, Unix milliseconds")
    .meta({ example: 1_795_458_256_000 }),
  format: z.enum(["json", "csv"]).optional().describe("Instead of Accept"),
});

const NAMED = z.object({ name: z.string().describe("The user").meta({ example: "vera" }) });
const WITH_ID = z.object({
  id: z.string().describe("Which one, as the list has it").meta({ example: "5f0c2a9be1d4" }),
});
const JUST_DONE = z.object({
  done: z.string().optional().describe("What was just done").meta({ example: "saved" }),
});

export interface AdminDeps {
  readonly accounts: () => AccountStore;
  readonly sessions: Pick<Sessions, "loggedIn">;
  readonly forms: Forms;
  readonly now_ms: () => number;
  readonly renderAdmin: (c: Ctx, view: AdminView) => string;
  readonly renderUser: (c: Ctx, view: UserView) => string;
}

/** Users, tokens, sessions and what was done by whom: a page with forms, and the same as JSON for scripts. */
export function adminRoutes({
  accounts,
  sessions,
  forms,
  now_ms,
  renderAdmin,
  renderUser,
}: AdminDeps): Route[] {
  const form = (...args: Parameters<Forms["route"]>): Route => {
    const [path] = args;
    const params = path.includes(":name") ? NAMED : WITH_ID;
    return { ...forms.route(...args), ...(path.includes(":") && { params }) };
  };
  const hereOf = (c: Ctx) => sessions.loggedIn(c)?.hash ?? null;
  const audited = (c: Ctx, detail: string) => c.set("audited", { detail });
  const page = (c: Ctx, view: Partial<Pick<AdminView, "done" | "secret" | "problem">>) =>
    renderAdmin(c, {
      done: null,
      secret: null,
      problem: null,
      ...view,
      users: accounts().users().map(userRow),
      tokens: accounts().tokens().map(tokenRow),
      sessions: accounts().sessions.loggedIn(),
      here: hereOf(c),
      links: accounts().links(),
      audit: accounts().audit(AUDIT_SHOWN),
    });
  const userPage = (c: Ctx, view: Partial<Pick<UserView, "done" | "problem">>) => {
    const user = knownUser(accounts(), nameIn(c));
    const all = accounts().sessions.loggedIn(user.name);
    return renderUser(c, { done: null, problem: null, ...view, user, sessions: all, here: hereOf(c) });
  };
  const userRow = ({ name, role, created_ms }: User) => ({
    name,
    role,
    created_ms,
    sessions: accounts().sessions.loggedIn(name).length,
  });
  const make = (c: Ctx, asked: Parameters<typeof addToken>[1]) => {
    const made = addToken(accounts(), asked, inWords(c.get("caller")!), now_ms());
    audited(c, `${made.token.role} token ${made.token.name}`);
    return made;
  };
  const done = (what: string) => forms.back(`admin?done=${what}`);
  const ofUser = (name: string, what: string) =>
    forms.back(`admin/users/${encodeURIComponent(name)}?done=${what}`);
  return [
    {
      method: "GET",
      path: "/admin",
      needs: "administer",
      summary: "The page of users, tokens, sessions and the audit log.",
      params: JUST_DONE,
      response: { description: "The page", content: { "text/html": null } },
      handler: (c) => answer(c, page(c, { done: doneOf(c) }), HTML),
    },
    form(
      "/admin/users",
      "administer",
      "Adds a user.",
      async (c, fields) => {
        const text = (name: string) => fields.get(name) ?? "";
        const asked = { name: text("name"), role: text("role"), password: text("password") };
        const user = await addUser(accounts(), asked, now_ms());
        audited(c, `${user.name}, ${user.role}`);
        return done("added");
      },
      (c, problem) => page(c, { problem }),
    ),
    {
      method: "GET",
      path: "/admin/users/:name",
      needs: "administer",
      summary: "The page of one user: role, password, sessions.",
      params: NAMED.extend(JUST_DONE.shape),
      example: { params: { name: "root" } },
      response: { description: "The page", content: { "text/html": null } },
      handler: (c) => answer(c, userPage(c, { done: doneOf(c) }), HTML),
    },
    form(
      "/admin/users/:name/role",
      "administer",
      "Changes what a user may do.",
      (c, fields) => {
        const [name, role] = [nameIn(c), fields.get("role") ?? ""];
        changeRole(accounts(), name, role);
        audited(c, `${name}, ${role}`);
        return ofUser(name, "role");
      },
      (c, problem) => userPage(c, { problem }),
    ),
    form(
      "/admin/users/:name/password",
      "administer",
      "Gives a user another password; their sessions end.",
      async (c, fields) => {
        const name = nameIn(c);
        await changePassword(accounts(), name, fields.get("password") ?? "");
        audited(c, name);
        return ofUser(name, "password");
      },
      (c, problem) => userPage(c, { problem }),
    ),
    form(
      "/admin/users/:name/remove",
      "administer",
      "Removes a user.",
      (c) => {
        const name = nameIn(c);
        removeUser(accounts(), name);
        audited(c, name);
        return done("removed");
      },
      (c, problem) => userPage(c, { problem }),
    ),
    form(
      "/admin/tokens",
      "administer",
      "Makes a token.",
      (c, fields) => {
        const sources = (fields.get("sources") ?? "").split(",").map((one) => one.trim());
        const { secret, token } = make(c, {
          name: fields.get("name") ?? "",
          role: fields.get("role") ?? "",
          sources: sources.filter((one) => one !== ""),
        });
        // Not led back: it is shown this once.
        return new Response(page(c, { done: `The token ${token.name} is made.`, secret }), {
          headers: { "Content-Type": HTML.type, "Cache-Control": "no-store" },
        });
      },
      (c, problem) => page(c, { problem }),
    ),
    form("/admin/tokens/:id/revoke", "administer", "Revokes a token.", (c) => {
      const { name, role } = revokeToken(accounts(), String(given(c).get("id")));
      audited(c, `${role} token ${name}`);
      return done("revoked");
    }),
    form("/admin/links/:id/revoke", "administer", "Revokes a link to an embedded panel.", (c) => {
      const id = String(given(c).get("id"));
      const link = accounts()
        .links()
        .find((one) => one.id === id);
      accounts().removeLink(id);
      audited(c, link ? `${link.panel}${link.query === "" ? "" : `?${link.query}`}, ${id}` : id);
      return done("revoked");
    }),
    form("/admin/sessions/end", "administer", "Ends a user's session.", (c, fields) => {
      const one = accounts().sessions.find(fields.get("session") ?? "");
      if (one?.user != null) accounts().sessions.remove(one.hash);
      audited(c, one?.user ?? "");
      return done("ended");
    }),
    {
      method: "GET",
      path: "/api/users",
      needs: "administer",
      summary: "All users.",
      response: answered(z.object({ success: z.literal(true), users: z.array(USER) })),
      handler: (c) => asJson(c, { users: accounts().users().map(userRow) }),
    },
    {
      method: "POST",
      path: "/api/users",
      needs: "administer",
      summary: "Adds a user, or gives one another role and password.",
      takes: [JSON_TYPE],
      body: () => NEW_USER,
      example: { body: { name: "ada", role: "operator", password: "correct horse battery" } },
      response: answered(z.object({ success: z.literal(true), ...USER.shape }), 201),
      handler: async (c) => {
        const user = await putUser(accounts(), await forms.json(c, NEW_USER), now_ms());
        audited(c, `${user.name}, ${user.role}`);
        return json({ success: true, ...userRow(user) }, 201);
      },
    },
    {
      method: "DELETE",
      path: "/api/users/:name",
      params: NAMED,
      needs: "administer",
      summary: "Removes a user and ends their sessions.",
      response: answered(z.object({ success: z.literal(true), name: z.string().describe("The user") })),
      handler: (c) => {
        const name = nameIn(c);
        removeUser(accounts(), name);
        audited(c, name);
        return json({ success: true, name });
      },
    },
    {
      method: "GET",
      path: "/api/tokens",
      needs: "administer",
      summary: "All tokens, without their secrets.",
      response: answered(z.object({ success: z.literal(true), tokens: z.array(TOKEN) })),
      handler: (c) => asJson(c, { tokens: accounts().tokens().map(tokenRow) }),
    },
    {
      method: "POST",
      path: "/api/tokens",
      needs: "administer",
      summary: "Makes a token; its secret is answered this once.",
      takes: [JSON_TYPE],
      body: () => NEW_TOKEN,
      example: { body: { name: "balancer 1", role: "ingest", sources: ["balancer-1"] } },
      response: answered(
        z.object({
          success: z.literal(true),
          ...TOKEN.shape,
          secret: z.string().describe("What its holder shows as Authorization: Bearer …"),
        }),
        201,
      ),
      handler: async (c) => {
        const { name, role, sources } = await forms.json(c, NEW_TOKEN);
        const { token, secret } = make(c, { name, role, ...(sources && { sources }) });
        return json({ success: true, ...tokenRow(token), secret }, 201);
      },
    },
    {
      method: "DELETE",
      path: "/api/tokens/:id",
      params: WITH_ID,
      needs: "administer",
      summary: "Revokes a token.",
      response: answered(z.object({ success: z.literal(true), id: z.string().describe("The token") })),
      handler: (c) => {
        const { id, name, role } = revokeToken(accounts(), String(given(c).get("id")));
        audited(c, `${role} token ${name}`);
        return json({ success: true, id });
      },
    },
    {
      method: "GET",
      path: "/api/audit",
      needs: "administer",
      summary: "Who changed what and when, the newest first.",
      params: AUDIT,
      response: {
        description: "The entries",
        content: {
          [JSON_TYPE]: z.object({ success: z.literal(true), entries: z.array(ENTRY) }),
          "text/csv": null,
        },
      },
      handler: (c) => auditAnswer(c, accounts()),
    },
  ];
}

function nameIn(c: Ctx): string {
  return String(given(c).get("name"));
}

function doneOf(c: Ctx): string | null {
  const { done = "" } = parseParams(JUST_DONE, given(c));
  return Object.hasOwn(DONE, done) ? DONE[done]! : null;
}

const DONE: Readonly<Record<string, string>> = {
  added: "The user is added.",
  role: "The role is set.",
  password: "The password is set, and all sessions of theirs are ended.",
  removed: "The user is removed, and all sessions of theirs.",
  revoked: "Revoked: it opens nothing any more.",
  ended: "The session is ended.",
};

function answered(schema: z.ZodType, status = 200) {
  return { status, description: "Done", content: { [JSON_TYPE]: schema } };
}

function asJson(c: Ctx, members: object): Promise<Response> {
  return answer(c, `${JSON.stringify({ success: true, ...members })}\n`, { type: JSON_TYPE });
}

function tokenRow({ hash: _, ...token }: Token) {
  return token;
}

function auditAnswer(c: Ctx, accounts: AccountStore): Response | Promise<Response> {
  const { entries: limit, before_ms, format } = parseParams(AUDIT, given(c));
  const as_csv =
    format === "csv" || (!format && negotiate(c.req.header("accept"), [JSON_TYPE, CSV_TYPE]) === CSV_TYPE);
  const entries = accounts.audit(limit, before_ms);
  if (!as_csv) return asJson(c, { entries });
  const columns = Object.keys(ENTRY.shape) as (keyof (typeof entries)[number])[];
  const shown = (value: string | number) => (typeof value === "string" ? visible(value) : value);
  const rows = entries.map((entry) => columns.map((column) => shown(entry[column])));
  return answer(c, toCsv({ columns, rows }), { type: "text/csv; charset=utf-8" });
}
