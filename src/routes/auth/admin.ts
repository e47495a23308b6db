import { z } from "zod";
import { ROLES, type Token, type User } from "../../metrics/accounts.ts";
import type { AccountStore } from "../../metrics/store/accounts.ts";
import type { AdminView } from "../../views/account.tsx";
import { toCsv } from "../../views/csv.ts";
import { answer, json } from "../answers.ts";
import type { Forms } from "../forms.ts";
import { given, parseParams } from "../params.ts";
import type { Ctx, Route } from "../route.ts";
import {
  addToken,
  changePassword,
  changeRole,
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
  readonly forms: Forms;
  readonly now_ms: () => number;
  readonly renderAdmin: (c: Ctx, view: AdminView) => string;
}

/** Users, tokens, sessions and what was done by whom: a page with forms, and the same as JSON for scripts. */
export function adminRoutes({ accounts, forms, now_ms, renderAdmin }: AdminDeps): Route[] {
  const form = (...args: Parameters<Forms["route"]>): Route => {
    const [path] = args;
    const params = path.includes(":name") ? NAMED : WITH_ID;
    return { ...forms.route(...args), ...(path.includes(":") && { params }) };
  };
  const audited = (c: Ctx, detail: string) => c.set("audited", { detail });
  const page = (c: Ctx, view: Pick<AdminView, "done" | "secret">) =>
    renderAdmin(c, {
      ...view,
      users: accounts().users().map(userRow),
      tokens: accounts().tokens().map(tokenRow),
      sessions: accounts().sessions.loggedIn(),
      links: accounts().links(),
      audit: accounts().audit(AUDIT_SHOWN),
    });
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
  return [
    {
      method: "GET",
      path: "/admin",
      needs: "administer",
      summary: "The page of users, tokens, sessions and the audit log.",
      params: JUST_DONE,
      response: { description: "The page", content: { "text/html": null } },
      handler: (c) =>
        answer(c, page(c, { done: DONE[c.req.query("done") ?? ""] ?? null, secret: null }), HTML),
    },
    form("/admin/users", "administer", "Adds a user, as the form does.", async (c, fields) => {
      const text = (name: string) => fields.get(name) ?? "";
      const name = text("name");
      if (accounts().user(name.trim().toLowerCase())) return done("known");
      const user = await putUser(
        accounts(),
        { name, role: text("role"), password: text("password") },
        now_ms(),
      );
      audited(c, `${user.name}, ${user.role}`);
      return done("added");
    }),
    form("/admin/users/:name/role", "administer", "Changes what a user may do.", (c, fields) => {
      const [name, role] = [String(given(c).get("name")), fields.get("role") ?? ""];
      changeRole(accounts(), name, role);
      audited(c, `${name}, ${role}`);
      return done("changed");
    }),
    form(
      "/admin/users/:name/password",
      "administer",
      "Gives a user another password; their sessions end.",
      async (c, fields) => {
        const name = String(given(c).get("name"));
        await changePassword(accounts(), name, fields.get("password") ?? "");
        audited(c, name);
        return done("changed");
      },
    ),
    form("/admin/users/:name/remove", "administer", "Removes a user, as the form does.", (c) => {
      const name = String(given(c).get("name"));
      removeUser(accounts(), name);
      audited(c, name);
      return done("removed");
    }),
    form("/admin/tokens", "administer", "Makes a token, as the form does.", (c, fields) => {
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
    }),
    form("/admin/tokens/:id/revoke", "administer", "Revokes a token, as the form does.", (c) => {
      const { name, role } = revokeToken(accounts(), String(given(c).get("id")));
      audited(c, `${role} token ${name}`);
      return done("revoked");
    }),
    form("/admin/links/:id/revoke", "administer", "Revokes a link to an embedded panel.", (c) => {
      const id = String(given(c).get("id"));
      accounts().removeLink(id);
      audited(c, id);
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
        const name = String(given(c).get("name"));
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

const DONE: Readonly<Record<string, string>> = {
  added: "The user is added.",
  known: "There is such a user already; it was left as it is.",
  changed: "Changed.",
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
  const entries = accounts.audit(limit, before_ms);
  if (format !== "csv") return asJson(c, { entries });
  const columns = Object.keys(ENTRY.shape) as (keyof (typeof entries)[number])[];
  const rows = entries.map((entry) => columns.map((column) => entry[column]));
  return answer(c, toCsv({ columns, rows }), { type: "text/csv; charset=utf-8" });
}
