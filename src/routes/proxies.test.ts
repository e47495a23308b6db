import fc from "fast-check";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { clientOf, isOwnOrigin, Proxies } from "./proxies.ts";
import type { App, Client } from "./route.ts";

interface Asked {
  from?: string;
  url?: string;
  trusted?: string[];
  external_url?: string;
  headers?: Record<string, string>;
}

async function ask({ from = "10.0.0.9", url, trusted, external_url, headers = {} }: Asked, origin = "") {
  const app: App = new Hono();
  app.use(async (c, next) => {
    c.set("proxies", new Proxies(trusted ?? ["10.0.0.0/8", "::1", "2001:db8:aa::/48"], external_url ?? ""));
    await next();
  });
  app.get("/", (c) => c.json({ client: clientOf(c), own: isOwnOrigin(c, origin) }));
  const incoming = { socket: { remoteAddress: from } } as never;
  const init = { headers: { host: "inner:8080", ...headers } };
  const answer = await app.request(url ?? "http://inner:8080/", init, { incoming });
  return (await answer.json()) as { client: Client; own: boolean };
}

const client = async (asked: Asked) => (await ask(asked)).client;
const FOR = "x-forwarded-for";

describe("the client of a request", () => {
  it("is whoever holds the connection, where that is no trusted proxy", async () => {
    const headers = {
      [FOR]: "203.0.113.7",
      forwarded: "for=203.0.113.7;host=evil.example;proto=https",
      "x-forwarded-host": "evil.example",
      "x-forwarded-proto": "https",
    };
    const expected = { address: "192.0.2.1", scheme: null, host: "inner:8080" };
    expect(await client({ from: "192.0.2.1", headers })).toEqual(expected);
    expect(await client({ from: "::ffff:192.0.2.1", headers })).toEqual(expected);
    expect(await client({ from: "10.0.0.9", trusted: [], headers })).toMatchObject({ address: "10.0.0.9" });
    expect(await client({ from: "192.0.2.1", url: "https://inner:8080/" })).toMatchObject({
      scheme: "https",
    });
  });

  it.each<[Record<string, string>, Partial<Client>]>([
    [{ [FOR]: "203.0.113.7" }, { address: "203.0.113.7", scheme: null, host: "inner:8080" }],
    [
      { [FOR]: "203.0.113.7", "x-forwarded-proto": "https", "x-forwarded-host": "dash.example" },
      { address: "203.0.113.7", scheme: "https", host: "dash.example" },
    ],
    [{ "x-forwarded-host": "dash.example:81" }, { address: "10.0.0.9", host: "dash.example:81" }],
    // What a client wrote itself stands furthest left, and is passed over.
    [{ [FOR]: "198.51.100.1, 203.0.113.7" }, { address: "203.0.113.7" }],
    [{ [FOR]: "198.51.100.1, 203.0.113.7, 10.1.2.3" }, { address: "203.0.113.7" }],
    [{ [FOR]: "10.1.2.3, 10.4.5.6" }, { address: "10.1.2.3" }],
    [
      { [FOR]: "203.0.113.7, 10.1.2.3", "x-forwarded-host": "dash.example, inner.example" },
      { address: "203.0.113.7", host: "dash.example" },
    ],
    [{ [FOR]: "203.0.113.7:4711" }, { address: "203.0.113.7" }],
    [{ [FOR]: "[2001:db8::7]:4711" }, { address: "2001:db8::7" }],
    [{ [FOR]: "2001:DB8::7" }, { address: "2001:db8::7" }],
    [{ [FOR]: "203.0.113.7, 2001:db8:aa::1" }, { address: "203.0.113.7" }],
    [{ [FOR]: "nonsense" }, { address: "10.0.0.9" }],
    [{ [FOR]: "203.0.113.7, unknown, 10.1.2.3" }, { address: "10.1.2.3" }],
    [{ [FOR]: " , ," }, { address: "10.0.0.9" }],
    [{ "x-forwarded-proto": "gopher" }, { scheme: null }],
    [
      { forwarded: 'for="[2001:db8::7]:4711";proto=HTTPS;host="dash.example:81"' },
      { address: "2001:db8::7", scheme: "https", host: "dash.example:81" },
    ],
    [
      { forwarded: "for=198.51.100.1;host=evil.example, For=203.0.113.7;host=dash.example, for=10.1.2.3" },
      { address: "203.0.113.7", host: "dash.example" },
    ],
    [{ forwarded: "for=_hidden;proto=https" }, { address: "10.0.0.9", scheme: "https" }],
    [{ forwarded: 'for="203.0.113.7, 198.51.100.1"' }, { address: "10.0.0.9" }],
    [{ forwarded: ";;,==" }, { address: "10.0.0.9", host: "inner:8080" }],
  ])("is what a trusted proxy says: %j", async (headers, expected) => {
    expect(await client({ headers })).toMatchObject(expected);
    expect(await client({ headers, from: "::1" })).toMatchObject(
      expected.address === "10.0.0.9" ? { ...expected, address: "::1" } : expected,
    );
  });

  it("is only the proxy itself where its two kinds of headers disagree", async () => {
    const direct = { address: "10.0.0.9", scheme: null, host: "inner:8080" };
    const made_up = { [FOR]: "203.0.113.7", forwarded: "for=198.51.100.1" };
    expect(await client({ headers: made_up })).toEqual(direct);
    const host = { [FOR]: "203.0.113.7", "x-forwarded-host": "a.example", forwarded: "host=b.example" };
    expect(await client({ headers: host })).toEqual(direct);
    const same = { [FOR]: "203.0.113.7", forwarded: "for=203.0.113.7;proto=https" };
    expect(await client({ headers: same })).toMatchObject({ address: "203.0.113.7", scheme: "https" });
  });

  it("is never what somebody beyond the nearest stranger says, whatever they write", async () => {
    const text = fc.string({ unit: fc.constantFrom(...'0123456789abcdef.:,;= []"\\for') });
    await fc.assert(
      fc.asyncProperty(text, async (written) => {
        const headers = { [FOR]: `${written.trim()}, 203.0.113.7, 10.1.2.3` };
        expect(await client({ headers })).toMatchObject({ address: "203.0.113.7" });
      }),
      { numRuns: 60 },
    );
  });
});

describe("an origin is our own", () => {
  const own = async (origin: string, asked: Asked = {}) =>
    (await ask({ from: "192.0.2.1", headers: { host: "dash.example" }, ...asked }, origin)).own;

  it("where it is the host that was asked for", async () => {
    expect(await own("http://dash.example")).toBe(true);
    expect(await own("https://dash.example")).toBe(true);
    for (const other of ["http://dash.example:81", "http://evil.example", "null", "file:///x", "x", ""])
      expect(await own(other)).toBe(false);
  });

  it("only over TLS where it was asked for over TLS", async () => {
    const url = "https://dash.example/";
    expect(await own("https://dash.example", { url })).toBe(true);
    expect(await own("https://dash.example:443", { url })).toBe(true);
    expect(await own("http://dash.example", { url })).toBe(false);
  });

  it("where a trusted proxy says that it was asked for so, or the settings name it", async () => {
    const headers = { host: "inner:8080", "x-forwarded-host": "dash.example", "x-forwarded-proto": "https" };
    expect(await own("https://dash.example", { headers, from: "10.0.0.9" })).toBe(true);
    expect(await own("http://dash.example", { headers, from: "10.0.0.9" })).toBe(false);
    expect(await own("https://dash.example", { headers })).toBe(false);
    const external_url = "https://dash.example/lb/";
    expect(await own("https://dash.example", { external_url, headers: { host: "inner:8080" } })).toBe(true);
    expect(await own("http://dash.example", { external_url, headers: { host: "inner:8080" } })).toBe(false);
  });
});
