import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AccountStore, openAccounts } from "../../metrics/store/accounts.ts";
import { type World, world } from "../fixture.tsx";
import { hashPassword } from "./passwords.ts";

// What is wrong with a form is said in it, on its own page, with what was filled in: no script has a part in it.

const PASSWORD = "correct-horse-battery";
const KEPT = await hashPassword(PASSWORD);

let folder: string;
let accounts: AccountStore;
let w: World;
let cookie: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
  accounts = openAccounts(join(folder, "evenkeel.db"));
  accounts.putUser({ name: "anna", role: "admin", password: KEPT, created_ms: 0 });
  w = world({ accounts });
  cookie = "";
  const { headers } = await send("login", { name: "anna", password: PASSWORD });
  [cookie = ""] = headers.get("set-cookie")!.split(";");
});

afterEach(() => {
  w.hub.close();
  accounts.close();
  rmSync(folder, { recursive: true });
});

async function send(path: string, fields: Record<string, string>, accept = "text/html") {
  const response = await w.app.request(`/${path}`, {
    method: "POST",
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      origin: "http://localhost",
      accept,
      cookie,
    },
    body: new URLSearchParams(fields).toString(),
  });
  const { status, headers } = response;
  return { status, headers, html: await response.text() };
}

/** The form with that action, and what its first line says. */
function formOf(html: string, action: string) {
  const form = html.split("<form ").find((one) => one.includes(`action="${action}"`))!;
  const said = /<p id="problem" class="problem" role="alert"><bdi>(.*?)<\/bdi>/.exec(form)?.[1];
  const wrong = [...form.matchAll(/<(?:input|select)[^>]* aria-invalid="true"[^>]*>/g)].map(
    ([field]) => field,
  );
  return { form: form.split("</form>")[0]!, said, wrong };
}

describe.each([
  {
    what: "a log-in",
    action: "login",
    fields: { name: "anna", password: "a wrong password", next: "workers" },
    says: "There is no such user, or the password is another",
    status: 401,
    field: "password",
    keeps: ['value="anna"', 'value="workers"'],
  },
  {
    what: "an old password",
    action: "account/password",
    fields: { old: "a wrong password", password: "a new password" },
    says: "The old password is wrong",
    status: 403,
    field: "old",
    keeps: [],
  },
  {
    what: "a new password",
    action: "account/password",
    fields: { old: PASSWORD, password: "short" },
    says: "password must be 10 to 256 characters; got 5",
    status: 400,
    field: "password",
    keeps: [],
  },
  {
    what: "a user's name",
    action: "admin/users",
    fields: { name: "Vera <b>", role: "operator", password: "a new password" },
    says: "name must be 1 to 64 of a-z, 0-9 and . _ @ -, beginning with a letter or a digit; got &quot;Vera &lt;b&gt;&quot;",
    status: 400,
    field: "name",
    keeps: ['value="Vera &lt;b&gt;"', '<option value="operator" selected'],
  },
  {
    what: "a user that there is",
    action: "admin/users",
    fields: { name: "anna", role: "viewer", password: "a new password" },
    says: "name must be another one: there is such a user already; got &quot;anna&quot;",
    status: 400,
    field: "name",
    keeps: ['value="anna"'],
  },
  {
    what: "a user's password",
    action: "admin/users/anna/password",
    fields: { password: "short" },
    says: "password must be 10 to 256 characters; got 5",
    status: 400,
    field: "password",
    keeps: [],
  },
  {
    what: "the last administrator's role",
    action: "admin/users/anna/role",
    fields: { role: "viewer" },
    says: "anna is the last administrator: make another one first",
    status: 400,
    field: "role",
    keeps: ['<option value="viewer" selected'],
  },
  {
    what: "a token",
    action: "admin/tokens",
    fields: { name: "the board", role: "viewer", sources: "a, b" },
    says: "sources must be given with the role ingest alone; got &quot;viewer&quot;",
    status: 400,
    field: "sources",
    keeps: ['value="the board"', '<option value="viewer" selected', 'value="a, b"'],
  },
])("of $what", ({ action, fields, says, status, field, keeps }) => {
  it("the form says what is wrong where it is, and keeps all but passwords", async () => {
    if (action === "login") cookie = "";
    if (action.endsWith("/role")) {
      accounts.putUser({ name: "vera", role: "viewer", password: "", created_ms: 0 });
    }
    const answer = await send(action, fields);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const { form, said, wrong } = formOf(answer.html, action);
    expect(said).toBe(says);
    expect(wrong).toEqual([
      expect.stringMatching(
        new RegExp(` name="${field}" aria-invalid="true" aria-describedby="problem" autofocus`),
      ),
    ]);
    for (const kept of keeps) expect(form).toContain(kept);
    expect(answer.html.match(/role="alert"><bdi>/g)).toHaveLength(1);
    expect(answer.html).not.toContain("a wrong password");
    expect(answer.html).not.toContain("a new password");
  });

  it("a script is told by the same status, as a problem", async () => {
    if (action === "login") cookie = "";
    if (action.endsWith("/role")) {
      accounts.putUser({ name: "vera", role: "viewer", password: "", created_ms: 0 });
    }
    const answer = await send(action, fields, "*/*");
    expect([answer.status, answer.headers.get("content-type")]).toEqual([status, "application/problem+json"]);
  });
});

describe("the page of a user", () => {
  const page = async (path: string) =>
    (await w.app.request(`/${path}`, { headers: { cookie, accept: "text/html" } })).text();

  it("sets role and password, and asks before it removes", async () => {
    accounts.putUser({ name: "vera@a.example", role: "viewer", password: "", created_ms: 0 });
    const at = "admin/users/vera%40a.example";
    expect(await page("admin")).toContain(`<a href="${at}">vera@a.example</a>`);
    const html = await page(at);
    expect(html).toMatch(
      new RegExp(
        `<details class="ask"><summary>Remove vera@a.example</summary><form method="post" action="${at}/remove">`,
      ),
    );
    const role = await send(`${at}/role`, { role: "operator" });
    expect([role.status, role.headers.get("location")]).toEqual([303, `/${at}?done=role`]);
    expect(await page(`${at}?done=role`)).toContain("The role is set.");
    await send(`${at}/password`, { password: "another password" });
    expect(accounts.user("vera@a.example")).toMatchObject({
      role: "operator",
      password: expect.stringMatching(/^scrypt/),
    });
    const removed = await send(`${at}/remove`, {});
    expect(removed.headers.get("location")).toBe("/admin?done=removed");
    expect(accounts.user("vera@a.example")).toBeUndefined();
    expect((await send(`${at}/remove`, {})).status).toBe(404);
  });

  it("opens the question again where the answer is no", async () => {
    accounts.putUser({ name: "vera", role: "viewer", password: "", created_ms: 0 });
    const { html } = await send("admin/users/anna/remove", {});
    expect(html).toContain('<details class="ask" open');
    expect(formOf(html, "admin/users/anna/remove").said).toContain("is the last administrator");
  });

  it("is none of who there is not", async () => {
    expect(await page("admin/users/nobody")).toContain("There is no user &quot;nobody&quot;");
  });
});

it("the page of many users has a bound, and says where all of them are", async () => {
  for (let i = 0; i < 210; i += 1)
    accounts.putUser({ name: `u${i}`, role: "viewer", password: "", created_ms: 0 });
  const html = await (await w.app.request("/admin", { headers: { cookie } })).text();
  expect(html.match(/<a href="admin\/users\/u\d+"/g)!.length).toBe(199);
  expect(html).toContain('and 11 more, all of them <a href="api/users">as JSON</a>');
});

it.each([
  ["admin/users", "/admin"],
  ["admin/users/vera%40a.example/password", "/admin/users/vera%40a.example"],
  ["account/password", "/account"],
  ["logout", "/"],
  ["embeds", "/embeds/new"],
])("whoever asks for the address of the form %s again is led to %s", async (path, page) => {
  const { status, headers } = await w.app.request(`/${path}`, { headers: { cookie, accept: "text/html" } });
  expect([status, headers.get("location")]).toEqual([303, page]);
  const script = await w.app.request(`/${path}`, { headers: { cookie } });
  expect(script.status).toBe(405);
});

it("the audit log hides no character, on the page and as CSV", async () => {
  cookie = "";
  await send("login", { name: "an\u202ena\u200b", password: "a wrong password" });
  accounts.note({ at_ms: 0, who: "x", address: "", what: "y", detail: "=1\u001b[31m\r\n" });
  const { headers } = await send("login", { name: "anna", password: PASSWORD });
  [cookie = ""] = headers.get("set-cookie")!.split(";");
  const html = await (await w.app.request("/admin", { headers: { cookie } })).text();
  expect(html).toContain("<bdi>an\\u202ena\\u200b</bdi>");
  const csv = await (await w.app.request("/api/audit?format=csv", { headers: { cookie } })).text();
  expect(csv).toContain(",an\\u202ena\\u200b,");
  expect(csv).toContain(",'=1\\u001b[31m\\u000d\\u000a\r\n");
});
