import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Answered, faultsOf } from "../../bench/lib/fuzz/verdict.ts";
import { openAccounts } from "../metrics/store/accounts.ts";
import { openStore } from "../metrics/store/sqlite.ts";
import { fixtureRead } from "../views/fixture.ts";
import { addToken } from "./auth/accounts.ts";
import { listen, world } from "./fixture.tsx";
import type { Route } from "./route.ts";
import { SITE } from "./site.ts";

// What a browser is told of every answer, and what no browser of another page can do: over a real connection, of
// every route that there is.

const folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
const store = openStore(join(folder, "evenkeel.db"));
const accounts = openAccounts(join(folder, "evenkeel.db"));
// The other one is who the addresses below name.
for (const name of ["root", "pager"]) accounts.putUser({ name, role: "admin", password: "", created_ms: 0 });
const ADMIN = addToken(accounts, { name: "test", role: "admin" }, "test", 0).secret;
let server: Awaited<ReturnType<typeof listen>>;

const w = world({ site: SITE, accounts });
const isStream = ({ path }: Pick<Route, "path">) => path.endsWith("/stream");
// A WebSocket is no page: it asks to be connected to as one.
const gets = w.routes.filter(({ method, path }) => method === "GET" && !path.startsWith("/ws"));
const changes = w.routes.filter(({ method }) => method !== "GET");
/** Everything that a panel must be asked with, and what stands in the paths of the other routes. */
const EXAMPLES: Readonly<Record<string, string>> = Object.assign(
  { channel: "system_metrics", file: "app.css", silence_id: "s-1", name: "pager", panels: "overview" },
  ...SITE.panels.map(({ example }) => example),
);

beforeAll(async () => {
  w.now.read = fixtureRead();
  server = await listen(w.app);
});

afterAll(async () => {
  await server.close();
  accounts.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

const nameOf = ({ method, path }: Route) => `${method} ${path}`;

function addressOf({ path, params }: Route): string {
  const at = path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(EXAMPLES[name] ?? "x"));
  const query = new URLSearchParams();
  for (const [name, schema] of Object.entries(params?.shape ?? {}))
    if (!path.includes(`:${name}`) && !schema.safeParse(undefined).success)
      query.set(name, EXAMPLES[name] ?? "x");
  return `${server.origin}${at}${query.size === 0 ? "" : `?${query}`}`;
}

async function ask(route: Route, headers: Record<string, string> = {}, body?: string) {
  const aborting = new AbortController();
  const { method } = route;
  // Whoever may see all of it asks.
  const admin = { Authorization: `Bearer ${ADMIN}` };
  const response = await fetch(addressOf(route), {
    method,
    headers: { ...admin, ...headers },
    redirect: "manual",
    signal: aborting.signal,
    ...(body !== undefined && { body }),
  });
  // A stream goes on for ever.
  const text = isStream(route) ? "" : await response.text();
  if (isStream(route)) aborting.abort();
  const answered: Answered = { status: response.status, headers: [...response.headers], text };
  return { response, answered };
}

const STRICT =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors ";

describe.each(gets.map((route) => [nameOf(route), route] as const))("%s", (_, route) => {
  const types = Object.keys(route.response?.content ?? {});
  // Of files the address says which.
  const asked = route.path.startsWith("/assets/") ? ["*/*"] : types;

  it.each(asked)(
    "as %s is answered with a strict policy, is not sniffed, and kept by nobody",
    async (type) => {
      const { response, answered } = await ask(route, { Accept: type });
      const { status, headers } = response;
      expect(faultsOf(answered)).toEqual([]);
      expect(status).toBe(200);
      if (type !== "*/*") expect(headers.get("content-type")).toContain(type);
      const drawing = type.startsWith("image/");
      const embed = route.path.startsWith("/embed/");
      const policy = headers.get("content-security-policy")!;
      if (!drawing) expect(policy).toBe(`${STRICT}'self'${embed ? " https://team.example" : ""}`);
      else expect(policy).toMatch(/^default-src 'none'; style-src ('none'|'sha256-[\w+/=]+')$/);
      if (!drawing && !embed) expect(headers.get("x-frame-options")).toBe("SAMEORIGIN");
      const cached = route.path.startsWith("/assets/")
        ? /^public, no-cache$/
        : /^(no-store|(private, )?no-cache)/;
      expect(headers.get("cache-control")).toMatch(cached);
      if (route.needs !== "nothing" && !isStream(route))
        expect(headers.get("cache-control")).toMatch(/^(no-store|private, no-cache)$/);
      expect(headers.get("access-control-allow-origin")).toBeNull();
    },
  );

  it("is so where it fails too", async () => {
    for (const Accept of ["text/html", "application/json"]) {
      const { answered } = await ask({ ...route, path: `${route.path}/x/y/z` }, { Accept });
      expect([answered.status, faultsOf(answered)]).toEqual([404, []]);
      const wrong = await ask({ ...route, method: "DELETE" }, { Accept });
      expect(faultsOf(wrong.answered)).toEqual([]);
    }
  });
});

describe.each(changes.map((route) => [nameOf(route), route] as const))("%s", (_, route) => {
  const headers = route.takes ? { "Content-Type": route.takes[0]! } : {};

  it.each([
    ["its Origin", { Origin: "https://evil.example" }],
    ["an Origin that is hidden", { Origin: "null" }],
    ["an Origin of another port", { Origin: "http://127.0.0.1:1" }],
    ["only where it comes from", { "Sec-Fetch-Site": "cross-site" }],
    ["only that it is of the same site", { "Sec-Fetch-Site": "same-site" }],
  ])("is refused to another page that tells %s", async (_, told) => {
    const { answered } = await ask(route, { ...headers, ...told }, route.takes && "{}");
    expect([answered.status, faultsOf(answered)]).toEqual([403, []]);
    expect(JSON.parse(answered.text).detail).toContain("must be this host");
  });

  it("takes no type of body that another page may send unasked", async () => {
    if (route.takes === undefined || route.takes.includes("application/x-www-form-urlencoded")) return;
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
    ]) {
      const { answered } = await ask(route, { "Content-Type": type }, "{}");
      expect(answered.status).toBe(415);
    }
  });

  it("is answered to its own page with a strict policy, and kept by nobody", async () => {
    const { answered, response } = await ask(route, { ...headers, Origin: server.origin }, route.takes && "");
    expect(answered.status).not.toBe(403);
    expect(faultsOf(answered)).toEqual([]);
    expect(response.headers.get("cache-control")).toBe("no-store");
  });
});

it("nothing that an address adds comes back as something else", async () => {
  for (const path of ["/", "/assignments", "/alerts", "/history", "/settings", "/nowhere"]) {
    const query = "?%00a%01p-x%02%3Cb%3E%03=%1b&%3Cevk-1%3E=%22%20evk-on=1&theme=dark&q=&__proto__=1";
    const { status, headers, ...rest } = await fetch(server.origin + path + query, {
      headers: { Accept: "text/html" },
    }).then(async (got) => ({ status: got.status, headers: [...got.headers], text: await got.text() }));
    expect([path, status < 500, faultsOf({ status, headers, ...rest })]).toEqual([path, true, []]);
  }
});

describe("the judge of answers finds", () => {
  const headers: Answered["headers"] = [
    ["content-security-policy", "default-src 'none'"],
    ["x-content-type-options", "nosniff"],
    ["referrer-policy", "same-origin"],
    ["cache-control", "no-store"],
  ];
  const faults = (type: string, text: string, more: Answered["headers"] = []) =>
    faultsOf({ status: 200, headers: [...more, ...headers, ["content-type", type]], text });

  it.each([
    ["text/html", "<p><evk-1></p>"],
    ["text/html", '<p title="x" evk-on=1 x="">'],
    ["text/html", "<p onclick='x'>"],
    ["text/html", '<p style="x">'],
    ["text/html", '<a href="javascript:x">'],
    ["text/html", '<a href="//evil.example">'],
    ["text/html", "<script>x</script>"],
    ["text/html", "<p>a\u202eb</p>"],
    ["image/svg+xml", '<svg onload="x">'],
    ["text/csv", "a\r\n=1+1\r\n"],
    ["text/csv", 'a\r\n"＝1"\r\n'],
    ["text/csv", "a,b\r\n1\r\n"],
    ["text/plain", "a\u001bb"],
    ["text/event-stream", "data: a\n<evk\n\n"],
    ["text/event-stream", "data: <evk-1>\n\n"],
    ["application/json", "{"],
    ["", "x"],
  ])("in %s that %j is wrong", (type, text) => expect(faults(type, text)).toHaveLength(1));

  it("nothing wrong in what is right", () => {
    expect(faults("text/html", '<p title="&lt;evk-1> evk-on">&lt;evk-1></p><input value="\u202e"/>')).toEqual(
      [],
    );
    expect(faults("text/csv", 'a,b\r\n-1,\'=1\r\n"x""y",\r\n')).toEqual([]);
  });

  it.each([
    ["x-a", "b\r\nc"],
    ["content-security-policy", "default-src 'none'; script-src 'unsafe-inline'"],
    ["cache-control", "public, max-age=60"],
    ["location", "//evil.example"],
    ["location", "https://evil.example/"],
    ["set-cookie", "evk=1"],
  ])("a header %s: %j", (name, value) => {
    expect(faults("text/plain", "x", [[name, value]])).toHaveLength(1);
  });
});
