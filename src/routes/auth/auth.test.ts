import { scryptSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Role } from "../../metrics/accounts.ts";
import { type AccountStore, openAccounts } from "../../metrics/store/accounts.ts";
import { listen, type World, world } from "../fixture.tsx";
import type { Needs } from "../route.ts";
import { SITE } from "../site.ts";
import { addToken, putUser } from "./accounts.ts";
import { makeLink } from "./links.ts";

const PASSWORD = "correct-horse-battery";
const SALT = Buffer.from("salt");
const QUICK_HASH = [
  "scrypt$1024$8$1",
  SALT.toString("base64url"),
  scryptSync(PASSWORD, SALT, 32, { N: 1024, r: 8, p: 1 }).toString("base64url"),
].join("$");
const HTML = { accept: "text/html" };
const FORM = { "content-type": "application/x-www-form-urlencoded", origin: "http://localhost" };

let folder: string;
let accounts: AccountStore;
let w: World;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
  accounts = openAccounts(join(folder, "evenkeel.db"));
  w = world({ accounts });
});

afterEach(() => {
  w.hub.close();
  accounts.close();
  rmSync(folder, { recursive: true });
});

/** With a hash that takes a moment less than one that is kept for real. */
const user = (name: string, role: Role) =>
  accounts.putUser({ name, role, password: QUICK_HASH, created_ms: 0 });
const token = (role: Role | "ingest", sources: string[] = []) =>
  addToken(accounts, { name: `for ${role}`, role, sources }, "test", 0);
const bearing = (secret: string) => ({ authorization: `Bearer ${secret}` });
const post = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}, of = w) =>
  of.app.request(path, {
    method: "POST",
    headers: { ...FORM, ...headers },
    body: new URLSearchParams(fields).toString(),
  });
const logIn = async (name: string, password = PASSWORD, of = w, headers = {}) => {
  const response = await post("/login", { name, password }, headers, of);
  const [cookie = ""] = (response.headers.get("set-cookie") ?? "").split(";");
  return { response, cookie, as: { cookie } };
};
const get = (path: string, headers: Record<string, string> = {}, of = w) => of.app.request(path, { headers });

describe("without users", () => {
  it("whoever reaches it reads and operates, and nobody administers", async () => {
    expect((await get("/api/board")).status).toBe(200);
    expect((await post("/alerts/x/acknowledgement", { by: "me" })).status).toBe(303);
    const response = await get("/admin", HTML);
    expect(response.status).toBe(403);
    expect(await response.text()).toContain("evenkeel user add");
  });

  it("it answers to names of its own machine alone, unless all may come in", async () => {
    const near = world({ accounts, settings: { open_to_all: false } });
    for (const host of ["localhost", "127.0.0.1:8080", "[::1]:8080"])
      expect((await get("/api/board", { host }, near)).status).toBe(200);
    for (const host of ["dash.example", "127.0.0.1.evil.example", "localhost@evil.example", "10.0.0.1", ""]) {
      expect([host, (await get("/api/board", { host }, near)).status]).toEqual([host, 403]);
      expect([host, (await get("/healthz", { host }, near)).status]).toEqual([host, 200]);
      expect([host, (await get("/api/board", { host })).status]).toEqual([host, 200]);
    }
    near.hub.close();
    user("anna", "admin");
    expect((await get("/login", { host: "dash.example" })).status).toBe(200);
  });

  it("whoever reports needs a token as soon as there is one for it", async () => {
    const report = (headers = {}) =>
      w.app.request("/api/ingest", {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: "{}",
      });
    expect((await report()).status).toBe(202);
    const { secret } = token("ingest");
    expect((await report()).status).toBe(401);
    expect((await report(bearing("guessed"))).status).toBe(401);
    expect((await report(bearing(secret))).status).toBe(202);
    expect((await get("/api/board")).status).toBe(200);
  });
});

describe("each route", () => {
  const CALLERS = ["nobody", "ingest", "viewer", "operator", "admin"] as const;
  const MAY: Record<Needs, readonly (typeof CALLERS)[number][]> = {
    nothing: ["nobody", "ingest", "viewer", "operator", "admin"],
    read: ["viewer", "operator", "admin"],
    ingest: ["ingest", "operator", "admin"],
    operate: ["operator", "admin"],
    administer: ["admin"],
  };

  it("lets through who may by what it declares, and nobody else", async () => {
    user("root", "admin");
    const of = world({ accounts, site: SITE });
    const shown: Record<string, Record<string, string>> = { nobody: {} };
    for (const role of ["ingest", "viewer", "operator", "admin"] as const)
      shown[role] = bearing(token(role).secret);
    const wrong: string[] = [];
    for (const { method, path, needs } of of.routes) {
      for (const caller of CALLERS) {
        // Not as the administrator whom a change may remove, nor into a stream that does not end.
        if (path.endsWith("/stream") && MAY[needs].includes(caller)) continue;
        const response = await of.app.request(path.replaceAll(/:\w+/g, "none"), {
          method,
          headers: shown[caller]!,
        });
        const refused = response.status === 401 || response.status === 403;
        await response.body?.cancel();
        const may = MAY[needs].includes(caller);
        // What takes a person's own session answers so to a token that may come in.
        if (may && refused && path.startsWith("/account/")) continue;
        if (path === "/login" && method === "POST") continue;
        if (refused === may) wrong.push(`${method} ${path} (${needs}) as ${caller}: ${response.status}`);
      }
    }
    of.hub.close();
    expect(wrong).toEqual([]);
  });

  it("of a panel is opened by a link to it, and no other is", async () => {
    user("root", "admin");
    const of = world({ accounts, site: SITE });
    const link = await makeLink(
      accounts,
      { panel: "overview", given: new Map(), days: 1, by: "test" },
      of.now.read.now_ms,
    );
    const wrong: string[] = [];
    for (const { method, path, needs, shows } of of.routes) {
      if (path === "/stream") continue;
      const address = `${path.replaceAll(/:\w+/g, "none")}?link=${link}`;
      const { status, body } = await of.app.request(address, { method });
      await body?.cancel();
      const refused = status === 401 || status === 403;
      if (path === "/login" && method === "POST") continue;
      const may = needs === "nothing" || (needs === "read" && shows === "overview");
      if (refused === may) wrong.push(`${method} ${path} (${needs}): ${status}`);
    }
    of.hub.close();
    expect(wrong).toEqual([]);
  });

  /** Every route that is not for whoever reads. */
  const RIGHTS: Record<Exclude<Needs, "read">, readonly string[]> = {
    nothing: [
      "GET /assets/:file",
      "GET /healthz",
      "GET /login",
      "GET /openapi.json",
      "GET /readyz",
      "POST /login",
      "POST /logout",
    ],
    ingest: ["POST /api/ingest", "POST /api/marks"],
    operate: [
      "DELETE /alerts/:alert_id/acknowledgement",
      "DELETE /api/silences/:silence_id",
      "GET /api/ingest/stream",
      "POST /alerts/:alert_id/acknowledgement",
      "POST /alerts/:alert_id/acknowledgement/end",
      "POST /alerts/receivers/:name/test",
      "POST /alerts/reload",
      "POST /api/receivers/:name/test",
      "POST /api/silences",
      "POST /embeds",
      "POST /silences",
      "POST /silences/:silence_id/end",
      "POST /views",
      "POST /views/forget",
      "PUT /alerts/:alert_id/acknowledgement",
    ],
    administer: [
      "DELETE /api/tokens/:id",
      "DELETE /api/users/:name",
      "GET /admin",
      "GET /admin/settings",
      "GET /admin/users/:name",
      "GET /api/audit",
      "GET /api/settings",
      "GET /api/tokens",
      "GET /api/users",
      "POST /admin/links/:id/revoke",
      "POST /admin/sessions/end",
      "POST /admin/tokens",
      "POST /admin/tokens/:id/revoke",
      "POST /admin/users",
      "POST /admin/users/:name/password",
      "POST /admin/users/:name/remove",
      "POST /admin/users/:name/role",
      "POST /api/tokens",
      "POST /api/users",
    ],
  };

  it("needs what the table says", () => {
    const of = world({ accounts, site: SITE });
    for (const [needs, expected] of Object.entries(RIGHTS)) {
      const routes = of.routes.filter((route) => route.needs === needs);
      expect([needs, routes.map(({ method, path }) => `${method} ${path}`).sort()]).toEqual([
        needs,
        expected,
      ]);
    }
    of.hub.close();
  });

  it("declares what it needs, and what changes something is never only for readers but one's own", () => {
    const own = /^\/(account|settings|login|logout)/;
    for (const { method, path, needs } of w.routes) {
      if (method === "GET" || own.test(path)) continue;
      expect([path, needs]).not.toEqual([path, "read"]);
      expect([path, needs]).not.toEqual([path, "nothing"]);
    }
  });
});

describe("a log-in", () => {
  beforeEach(() => {
    user("anna", "admin");
    user("vera", "viewer");
  });

  it("is asked of a person, who is led back to where they were", async () => {
    const first = await get("/things/a%2Fb?limit=5", HTML);
    expect([first.status, first.headers.get("location")]).toEqual([
      303,
      "/login?next=things%2Fa%252Fb%3Flimit%3D5",
    ]);
    const page = await (await get(first.headers.get("location")!, HTML)).text();
    expect(page).toContain('name="next" value="things/a%2Fb?limit=5"');
    expect(page).not.toContain("Boards");
    const { response, as } = await logIn("anna");
    expect([response.status, response.headers.get("location")]).toEqual([303, "/"]);
    expect((await get("/", { ...HTML, ...as })).status).toBe(200);
  });

  it("is told by 401 to a script, and to a frame of another site", async () => {
    for (const headers of [{}, { ...HTML, "sec-fetch-dest": "iframe" }]) {
      expect((await get("/api/board", headers as Record<string, string>)).status).toBe(401);
    }
    const asked = { accept: "text/html, text/event-stream" };
    expect((await get("/stream?panels=board", asked)).status).toBe(401);
  });

  it.each([
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "http:/x",
    "javascript:alert(1)",
    "..//x",
    ".//evil.example",
    "./http:.//evil.example/x",
    "http:.//evil.example/x",
    "%2e//evil.example",
    "a\r\nb",
  ])("leads to no other place than below the base: not to %s", async (next) => {
    const response = await post("/login", { name: "anna", password: PASSWORD, next });
    expect(new URL(response.headers.get("location")!, "http://localhost").origin).toBe("http://localhost");
    expect(response.headers.get("location")).toMatch(/^\/(?!\/)/);
  });

  it("is refused in the same words whether the name or the password is wrong, and is in the audit log", async () => {
    const wrong = await logIn("anna", "not-this-one");
    const unknown = await logIn("nobody", "not-this-one");
    expect([wrong.response.status, unknown.response.status]).toEqual([401, 401]);
    const text = async (of: Response) => (await of.text()).replaceAll(/anna|nobody/g, "x");
    expect(await text(wrong.response)).toBe(await text(unknown.response));
    expect([wrong.cookie, unknown.cookie]).toEqual(["", ""]);
    const [last, before] = accounts.audit(2);
    expect([last, before].map((entry) => [entry!.who, entry!.detail])).toEqual([
      ["nobody", "refused"],
      ["anna", "refused"],
    ]);
  });

  it("is to be waited for after five wrong ones, whoever then knows the password, until the time is over", async () => {
    for (let i = 0; i < 5; i += 1) expect((await logIn("anna", "guess-guess")).response.status).toBe(401);
    const { response } = await logIn("anna");
    expect([response.status, Number(response.headers.get("retry-after"))]).toEqual([429, 1]);
    // Another account is not held up by it.
    expect((await logIn("vera")).response.status).toBe(303);
    await w.tick();
    expect((await logIn("anna")).response.status).toBe(303);
  });

  it("from a page of another host is refused", async () => {
    const response = await post(
      "/login",
      { name: "anna", password: PASSWORD },
      { origin: "https://evil.example" },
    );
    expect(response.status).toBe(403);
  });

  it("begins a session of which only a hash is kept, in a cookie that no script reads", async () => {
    const { response, cookie } = await logIn("anna");
    expect(response.headers.get("set-cookie")).toMatch(/; HttpOnly; SameSite=Lax$/);
    const [session] = accounts.sessions.loggedIn("anna");
    expect(cookie).not.toContain(session!.hash);
    expect(await get("/api/board", { cookie: `evenkeel_session=${session!.hash}` })).toHaveProperty(
      "status",
      401,
    );
  });

  it("over TLS the cookie is for this host alone", async () => {
    const response = await w.app.request("https://localhost/login", {
      method: "POST",
      headers: { ...FORM, origin: "https://localhost" },
      body: new URLSearchParams({ name: "anna", password: PASSWORD }).toString(),
    });
    expect(response.headers.get("set-cookie")).toMatch(
      /^__Host-evenkeel_session=[\w-]{43}; Path=\/; Secure; Max-Age=\d+; HttpOnly; SameSite=Lax$/,
    );
  });

  it("gives the browser another secret than it had before, so that nobody can have planted it", async () => {
    const { cookie } = await logIn("vera");
    const again = await post("/login", { name: "anna", password: PASSWORD }, { cookie });
    expect(again.headers.get("set-cookie")).not.toContain(cookie);
    expect((await get("/api/board", { cookie })).status).toBe(401);
  });

  it("stands beside what is done by it in the audit log: what was silenced, and nothing that was refused", async () => {
    const { as } = await logIn("anna");
    await post("/silences", { matchers: "rule=worker_*", duration: "1h", note: "moving" }, as);
    const refused = await post("/silences", { matchers: "no matcher", duration: "1h" }, as);
    expect(refused.headers.get("location")).toContain("/silences/new?matchers=no");
    await w.app.request("/api/marks", {
      method: "POST",
      headers: { "content-type": "application/json", ...as },
      body: '{"text":"model server 2.4","kind":"deploy"}',
    });
    expect(accounts.audit(3).map(({ who, what, detail }) => [who, what, detail])).toEqual([
      ["anna", "Sets a mark on the charts of history, such as a deploy.", "deploy, model server 2.4"],
      [
        "anna",
        "Sets a silence, as a form does.",
        expect.stringMatching(/^rule=worker_\* until 2026-11-23 19:24/),
      ],
      ["anna", "Logs in.", ""],
    ]);
  });

  it("ends after thirty days", async () => {
    const { as } = await logIn("anna");
    await w.tick({ now_ms: w.now.read.now_ms + 30 * 86_400_000 - 1 });
    expect((await get("/api/board", as)).status).toBe(200);
    await w.tick({ now_ms: w.now.read.now_ms + 1 });
    expect((await get("/api/board", as)).status).toBe(401);
  });

  it("is ended by oneself, here and everywhere, and by an administrator", async () => {
    const one = await logIn("vera");
    const other = await logIn("vera");
    const third = await logIn("vera");
    const anna = await logIn("anna");
    await post("/logout", {}, one.as);
    expect((await get("/api/board", one.as)).status).toBe(401);
    const [session] = accounts.sessions.loggedIn("vera");
    expect((await post("/admin/sessions/end", { session: session!.hash }, anna.as)).status).toBe(303);
    const left = [other, third];
    const open = await Promise.all(left.map(async ({ as }) => (await get("/api/board", as)).status));
    expect([...open].sort()).toEqual([200, 401]);
    const last = left[open.indexOf(200)]!;
    await post("/account/sessions/end-all", {}, last.as);
    expect(accounts.sessions.loggedIn("vera")).toEqual([]);
    expect((await get("/api/board", anna.as)).status).toBe(200);
  });

  it("another password ends all sessions but the one that changed it", async () => {
    const [here, there] = [await logIn("vera"), await logIn("vera")];
    const change = (old: string, password: string) => post("/account/password", { old, password }, here.as);
    expect((await change("wrong-wrong", "a-new-password")).status).toBe(403);
    expect((await change(PASSWORD, "short")).status).toBe(400);
    expect((await change(PASSWORD, "a-new-password")).status).toBe(303);
    expect([(await get("/api/board", here.as)).status, (await get("/api/board", there.as)).status]).toEqual([
      200, 401,
    ]);
    expect((await logIn("vera")).response.status).toBe(401);
    expect((await logIn("vera", "a-new-password")).response.status).toBe(303);
  });

  it("another password by the API ends them all", async () => {
    const { as } = await logIn("vera");
    await putUser(accounts, { name: "vera", role: "viewer", password: "another password" }, 0);
    expect((await get("/api/board", as)).status).toBe(401);
  });

  it("that is over leaves no trace in the audit log, however often one logs out", async () => {
    const { as } = await logIn("vera");
    for (let i = 0; i < 3; i += 1) await post("/logout", {}, as);
    expect(accounts.audit(10).map(({ what }) => what)).toEqual([
      "Logs out: this browser's session ends.",
      "Logs in.",
    ]);
  });

  it("nobody ends a session that is not theirs", async () => {
    const [vera, anna] = [await logIn("vera"), await logIn("anna")];
    const [session] = accounts.sessions.loggedIn("anna");
    await post("/account/sessions/end", { session: session!.hash }, vera.as);
    expect((await get("/api/board", anna.as)).status).toBe(200);
  });
});

describe("a token", () => {
  beforeEach(() => void user("anna", "admin"));

  it("is shown once, kept as a hash, and opens until it is revoked", async () => {
    const admin = bearing(token("admin").secret);
    const made = await w.app.request("/api/tokens", {
      method: "POST",
      headers: { ...admin, "content-type": "application/json" },
      body: JSON.stringify({ name: "the board", role: "viewer" }),
    });
    expect(made.status).toBe(201);
    const { id, secret } = (await made.json()) as { id: string; secret: string };
    expect((await get("/api/board", bearing(secret))).status).toBe(200);
    const listed = await (await get("/api/tokens", admin)).text();
    expect(listed).toContain("the board");
    expect(listed).not.toContain(secret);
    expect(accounts.token(id)!.used_ms).toBe(Math.floor(w.now.read.now_ms / 60_000) * 60_000);
    await w.app.request(`/api/tokens/${id}`, { method: "DELETE", headers: admin });
    expect((await get("/api/board", bearing(secret))).status).toBe(401);
    const log = (await (await get("/api/audit?format=csv", admin)).text()).split("\r\n");
    expect(log[0]).toBe("at_ms,who,address,what,detail");
    expect(log[1]).toContain("token for admin,in process,Revokes a token.,viewer token the board");
  });

  it("bound to sources reports as these alone", async () => {
    const told: unknown[] = [];
    const of = world({
      accounts,
      ingest: async (_, __, sources) => {
        told.push(sources);
        return { accepted: 1, rejected: 0, errors: [] };
      },
    });
    for (const { secret } of [token("ingest", ["a", "b"]), token("ingest"), token("operator")]) {
      const headers = { ...bearing(secret), "content-type": "application/json" };
      await of.app.request("/api/ingest", { method: "POST", headers, body: "{}" });
    }
    of.hub.close();
    expect(told).toEqual([["a", "b"], null, null]);
  });

  it("is guessed twenty times and then waits", async () => {
    for (let i = 0; i < 20; i += 1) expect((await get("/api/board", bearing(`guess-${i}`))).status).toBe(401);
    const response = await get("/api/board", bearing("guess-20"));
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "1"]);
    // Beside a sender whose token is old, others at its address go on.
    expect((await get("/api/board", bearing(token("viewer").secret))).status).toBe(200);
  });

  it.each([
    [{ name: "x", role: "root" }, "role must be one of ingest, viewer, operator, admin"],
    [{ name: "", role: "viewer" }, "name must be 1 to 100 printable characters"],
    [{ name: "x", role: "viewer", sources: ["a"] }, "sources must be given with the role ingest alone"],
    [{ name: "x", role: "ingest", sources: ["a\nb"] }, "sources must be names of 1 to 256"],
    [{ name: "x" }, "role:"],
  ])("is not made of %j", async (asked, says) => {
    const response = await w.app.request("/api/tokens", {
      method: "POST",
      headers: { ...bearing(token("admin").secret), "content-type": "application/json" },
      body: JSON.stringify(asked),
    });
    expect([400, 422]).toContain(response.status);
    expect(((await response.json()) as { detail: string }).detail).toContain(says);
  });
});

describe("a link to a panel", () => {
  const make = async (fields: Record<string, string>, as: Record<string, string>) => {
    const response = await post("/embeds", { panel: "board", days: "30", ...fields }, as);
    const html = await response.text();
    return { status: response.status, html, link: /link=([\w.-]+)/.exec(html)?.[1] ?? "" };
  };

  beforeEach(() => {
    user("anna", "admin");
    user("vera", "viewer");
  });

  it("opens that panel with its parameters, however it is to look, and nothing else", async () => {
    const { as } = await logIn("anna");
    const { link, status, html } = await make({ limit: "1", theme: "dark" }, as);
    expect([status, html]).toEqual([200, expect.stringContaining("&lt;iframe src=")]);
    const opens = async (path: string) => (await get(`${path}&link=${link}`, HTML)).status;
    expect(await opens("/embed/board?limit=1")).toBe(200);
    expect(await opens("/embed/board?limit=1&theme=light&tz=UTC&density=compact")).toBe(200);
    expect(await opens("/api/board?limit=1&format=json")).toBe(200);
    for (const path of [
      "/embed/board?limit=2",
      "/embed/board?x=1",
      "/embed/other?limit=1",
      "/?limit=1",
      "/api/other?limit=1",
    ])
      expect([path, await opens(path)]).toEqual([path, 403]);
    expect((await get(`/admin?link=${link}`, HTML)).status).toBe(303);
    const page = await (await get(`/embed/board?limit=1&link=${link}`, HTML)).text();
    const [, stream = ""] = /hx-sse:connect="([^"]+)"/.exec(page) ?? [];
    expect(stream.replaceAll("&amp;", "&")).toBe(`stream?link=${link}&panels=board&limit=1`);
  });

  it("opens the ticks alone, for a panel that stands still", async () => {
    const { as } = await logIn("anna");
    const { link } = await make({}, as);
    const ticks = await get(`/stream?poll=1&panels=none&link=${link}`);
    expect([ticks.status, await ticks.text()]).toEqual([200, expect.stringContaining("event: tick")]);
    expect((await get(`/stream?poll=1&panels=other&link=${link}`)).status).toBe(403);
    expect((await get("/stream?poll=1&panels=none")).status).toBe(401);
  });

  it("opens nothing once it is over, revoked or forged", async () => {
    const { as } = await logIn("anna");
    const { link } = await make({}, as);
    const open = async (text: string) => (await get(`/embed/board?link=${text}`, HTML)).status;
    const [head, body, signature] = link.split(".");
    const other = Buffer.from(JSON.stringify({ jti: "x", panel: "board", exp: 9e9 })).toString("base64url");
    const none = Buffer.from('{"alg":"none"}').toString("base64url");
    for (const text of [`${head}.${other}.${signature}`, `${none}.${body}.`, "x", "", `${link}x`])
      expect([text, await open(text)]).not.toEqual([text, 200]);
    expect(await open(link)).toBe(200);
    const again = (await make({}, as)).link;
    const [newest] = accounts.links();
    await post(`/admin/links/${newest!.id}/revoke`, {}, as);
    const states = [await open(link), await open(again)];
    expect(states.sort()).toEqual([200, 401]);
    await w.tick({ now_ms: w.now.read.now_ms + 30 * 86_400_000 });
    expect(await open(link)).toBe(401);
  });

  it("is made by operators, for 1 to 366 days, of a panel that there is", async () => {
    const [anna, vera] = [await logIn("anna"), await logIn("vera")];
    expect((await make({}, vera.as)).status).toBe(403);
    for (const days of ["0", "367", "1.5", "x"]) expect((await make({ days }, anna.as)).status).toBe(400);
    expect((await make({ panel: "nothing" }, anna.as)).status).toBe(404);
    expect(accounts.links()).toEqual([]);
  });

  it("ends what is open by it when it is revoked", async () => {
    const { as } = await logIn("anna");
    const { link } = await make({}, as);
    const { origin, close } = await listen(w.app);
    const open = await fetch(`${origin}/stream?panels=board&format=json&link=${link}`);
    const reader = open.body!.getReader();
    await reader.read();
    w.access.tick();
    accounts.removeLink(accounts.links()[0]!.id);
    w.access.tick();
    await expect.poll(async () => (await reader.read().catch(() => ({ done: true }))).done).toBe(true);
    await close();
  });

  it("is asked again and again by its panel over HTTP/1.1, until it is revoked", async () => {
    const { as } = await logIn("anna");
    const { link } = await make({}, as);
    const { origin, close } = await listen(w.app);
    const page = await (await fetch(`${origin}/embed/board?link=${link}`)).text();
    const [, asked = ""] = /hx-sse:connect="([^"]+)"/.exec(page) ?? [];
    const address = `${origin}/${asked.replaceAll("&amp;", "&")}`;
    expect(address).toContain("/stream?poll=1&");
    expect((await fetch(address)).status).toBe(200);
    accounts.removeLink(accounts.links()[0]!.id);
    expect((await fetch(address)).status).toBe(401);
    await close();
  });
});

describe("users", () => {
  it("are named whatever the size of their letters, and the first one administers", async () => {
    const put = (name: string, role: string, password = PASSWORD) =>
      putUser(accounts, { name, role, password }, 0);
    await expect(put("vera", "viewer")).rejects.toThrow("must be admin for the first user");
    await put("Anna", "admin");
    expect(accounts.user("anna")?.role).toBe("admin");
    expect(accounts.user("anna")!.password).not.toContain(PASSWORD);
    expect((await logIn("ANNA")).response.status).toBe(303);
    for (const name of ["", "-a", "a b", "a/b", "<script>", "é", "a".repeat(65)])
      await expect(put(name, "admin")).rejects.toThrow("name must be");
    for (const password of ["123456789", "x".repeat(257)]) {
      await expect(put("b", "admin", password)).rejects.toThrow(
        /password must be 10 to 256 characters; got \d+$/,
      );
    }
  });

  it("never lose their last administrator, while others need one", async () => {
    user("anna", "admin");
    user("vera", "viewer");
    const { as } = await logIn("anna");
    for (const [path, fields] of [
      ["/admin/users/anna/role", { role: "viewer" }],
      ["/admin/users/anna/remove", {}],
    ] as const) {
      const response = await post(path, fields, as);
      expect([response.status, await response.text()]).toEqual([
        400,
        expect.stringContaining("last administrator"),
      ]);
    }
    await post("/admin/users/vera/role", { role: "admin" }, as);
    expect((await post("/admin/users/anna/remove", {}, as)).status).toBe(303);
    expect((await get("/api/board", as)).status).toBe(401);
  });

  it("once there were some nothing is open again without them", async () => {
    user("anna", "admin");
    expect((await get("/api/board")).status).toBe(401);
    accounts.removeUser("anna");
    expect((await get("/api/board")).status).toBe(401);
  });
});

describe("what is open", () => {
  const stream = async (origin: string, headers: Record<string, string>) => {
    const abort = new AbortController();
    const response = await fetch(`${origin}/stream?panels=board&format=json`, {
      headers,
      signal: abort.signal,
    });
    const reader = response.body!.getReader();
    await reader.read();
    /** Resolves once the stream ended, however it did. */
    const ended = async () => {
      try {
        while (!(await reader.read()).done);
      } catch {
        // Cut off.
      }
    };
    return { ended, close: () => abort.abort() };
  };

  it("ends at the next tick when its session, its token or its user's right ends, and nobody else's does", async () => {
    user("anna", "admin");
    user("vera", "viewer");
    user("oscar", "operator");
    const { origin, close } = await listen(w.app);
    const [anna, vera, oscar] = [await logIn("anna"), await logIn("vera"), await logIn("oscar")];
    const { secret, token: made } = token("viewer");
    const streams = {
      anna: await stream(origin, anna.as),
      vera: await stream(origin, vera.as),
      oscar: await stream(origin, oscar.as),
      token: await stream(origin, bearing(secret)),
    };
    w.access.tick();
    expect(w.hub.health().viewers).toBe(4);
    await post("/logout", {}, vera.as);
    w.access.tick();
    await streams.vera.ended();
    accounts.removeToken(made.id);
    w.access.tick();
    await streams.token.ended();
    await post("/admin/users/oscar/role", { role: "viewer" }, anna.as);
    w.access.tick();
    await streams.oscar.ended();
    await expect.poll(() => w.hub.health().viewers).toBe(1);
    await w.tick({ now_ms: w.now.read.now_ms + 30 * 86_400_000 });
    w.access.tick();
    await streams.anna.ended();
    await close();
  });

  it("as a WebSocket is refused without a right, and closed with a code when that ends", async () => {
    user("anna", "admin");
    const { origin, close } = await listen(w.app);
    const address = `${origin.replace("http", "ws")}/ws?channel=board`;
    const refused = new WebSocket(address);
    const [problem] = (await once(refused, "error")) as [Error];
    expect(problem.message).toContain("401");
    const { secret, token: made } = token("viewer");
    const open = new WebSocket(address, { headers: bearing(secret) });
    await once(open, "message");
    const closed = once(open, "close");
    w.access.tick();
    accounts.removeToken(made.id);
    w.access.tick();
    const [code, reason] = (await closed) as [number, Buffer];
    expect([code, String(reason)]).toEqual([4401, "This takes a log-in"]);
    await close();
  });

  it("of nobody ends when the first user is made", async () => {
    const { origin, close } = await listen(w.app);
    const open = await stream(origin, {});
    w.access.tick();
    user("anna", "admin");
    w.access.tick();
    await open.ended();
    await close();
  });
});
