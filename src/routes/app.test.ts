import { brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { EvenkeelError } from "../errors.ts";
import { read, START_MS, type World, world } from "./fixture.tsx";
import { NEEDS, pathNames } from "./route.ts";
import { SITE } from "./site.ts";

type Init = { headers?: Record<string, string>; method?: string };

async function get(w: World, path: string, init: Init = {}) {
  const response = await w.app.request(path, init);
  return { response, status: response.status, headers: response.headers, text: await response.text() };
}

const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

describe("the registry of routes", () => {
  it("names for every route what its caller needs, and says what it is for", () => {
    const { routes } = world({ site: SITE });
    expect(routes.length).toBeGreaterThan(10);
    for (const route of routes) {
      expect(NEEDS, `${route.method} ${route.path}`).toContain(route.needs);
      expect(route.summary, `${route.method} ${route.path}`).toMatch(/\.$/);
    }
  });

  it("has no two routes at one path and method", () => {
    const names = world({ site: SITE }).routes.map((route) => `${route.method} ${route.path}`);
    expect(names).toEqual([...new Set(names)]);
  });
});

describe("a moment of the past", () => {
  const then_ms = START_MS - 60_000;

  it.each([
    ["a page", "/", "First as of"],
    ["a page's data", "/index.json", `"at_ms":${then_ms}`],
    ["a fragment", "/panels/board", "First as of"],
    ["a page to embed", "/embed/board", "First as of"],
    ["data", "/api/board", `"title":"First as of ${then_ms}"`],
    ["a drawing", "/api/board?format=svg", "<svg"],
  ])("is shown as %s", async (_, path, expected) => {
    const query = `${path.includes("?") ? "&" : "?"}at=${then_ms}`;
    const { status, text } = await get(world(), path + query);
    expect(status).toBe(200);
    expect(text).toContain(expected);
    expect(text).not.toContain("stream?");
  });

  it("may be told by its date, or as how long ago, which becomes an address that lasts", async () => {
    const iso = new Date(then_ms).toISOString();
    expect((await get(world(), `/api/board?at=${iso}`)).text).toContain(`as of ${then_ms}`);
    expect((await get(world(), "/api/board?at=-1m")).text).toContain(`as of ${then_ms}`);
    const { status, headers } = await get(world(), "/?at=-1m&theme=dark");
    expect(status).toBe(302);
    expect(headers.get("location")).toBe(`/?at=${then_ms}&theme=dark`);
  });

  it.each([
    [
      "/api/board?at=yesterday",
      400,
      /Parameter at: must be an instant .*, or how long ago, as -15m; got "yesterday"/,
    ],
    ["/api/board?at=-0s", 400, /Parameter at: must be an instant/],
    ["/api/things/x?at=1", 400, /Parameter at: Thing shows no single moment of the past; ask without it/],
    ["/stream?panels=board&at=1", 400, /A stream shows the present: it takes no at/],
  ])("%s answers %i with why", async (path, status, why) => {
    const response = await get(world(), path);
    expect(response.status).toBe(status);
    expect(JSON.parse(response.text).detail).toMatch(why);
  });

  it("that is not kept is no page, and says what there is", async () => {
    const readAt = async () => {
      throw new EvenkeelError("not_found", "Nothing is kept of then");
    };
    const { status, text } = await get(world({ readAt }), "/?at=1", { headers: { Accept: BROWSER } });
    expect(status).toBe(404);
    expect(text).toContain("Nothing is kept of then");
  });
});

describe.each(SITE.panels)("panel $id", (panel) => {
  const path = panel.api.replaceAll(/:(\w+)/g, "some-$1");
  const query = pathNames(panel.api)
    .map((name) => `${name}=some-${name}`)
    .join("&");

  it("comes as a bare fragment", async () => {
    const { status, headers, text } = await get(world({ site: SITE }), `/panels/${panel.id}?${query}`);
    if (status === 404 && query !== "") return;
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(text).toMatch(new RegExp(`^<${panel.bare ? "div" : "section"} id="p-${panel.id}"`));
    expect(text).not.toContain("<html");
    expect(text).not.toMatch(/ style=|[\u0000-\u0008]/);
  });

  it("comes as a page of its own that others may frame", async () => {
    const { status, headers, text } = await get(
      world({ site: SITE }),
      `/embed/${panel.id}?theme=dark&${query}`,
    );
    if (status === 404 && query !== "") return;
    expect(status).toBe(200);
    expect(headers.get("content-security-policy")).toContain("frame-ancestors 'self' https://team.example");
    expect(headers.get("x-frame-options")).toBeNull();
    expect(headers.get("cross-origin-resource-policy")).toBe("cross-origin");
    expect(text).toContain('data-theme="dark"');
    expect(text).toContain(`hx-sse:connect="stream?panels=${panel.live === false ? "none" : panel.id}`);
  });

  it("comes as JSON that fits its schema", async () => {
    const { status, headers, text } = await get(world({ site: SITE }), path);
    if (status === 404 && query !== "") return;
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("application/json");
    const body = JSON.parse(text);
    expect(body.success).toBe(true);
    expect(panel.data.safeParse(body).error).toBeUndefined();
  });

  it("comes in each further form that it has, and else says which there are", async () => {
    const w = world({ site: SITE });
    if ((await get(w, path)).status === 404) return;
    const forms = {
      ndjson: ["application/x-ndjson", true],
      csv: ["text/csv", panel.table !== undefined],
      text: ["text/plain", panel.table !== undefined],
      svg: ["image/svg+xml", panel.chart !== undefined],
    } as const;
    for (const [word, [type, there]] of Object.entries(forms)) {
      for (const ask of [get(w, `${path}?format=${word}`), get(w, path, { headers: { accept: type } })]) {
        const { status, headers, text } = await ask;
        expect(status, word).toBe(there ? 200 : 406);
        expect(headers.get("vary")).toContain("Accept");
        if (there) expect(headers.get("content-type")).toContain(type);
        else expect(JSON.parse(text)).toMatchObject({ formats: expect.arrayContaining(["json"]) });
      }
    }
  });

  it("is described in OpenAPI", async () => {
    const { text } = await get(world({ site: SITE }), "/openapi.json");
    const { paths } = JSON.parse(text);
    const operation = paths[panel.api.replaceAll(/:(\w+)/g, "{$1}")].get;
    const { properties } = operation.responses["200"].content["application/json"].schema;
    expect(Object.keys(properties)).toEqual(expect.arrayContaining(Object.keys(panel.data.shape)));
    expect(paths[`/panels/${panel.id}`].get.summary).toContain(panel.title);
    expect(paths[`/embed/${panel.id}`]).toBeDefined();
  });
});

describe.each(SITE.pages)("page $path", (page) => {
  it("comes as HTML, and its panels' data as JSON", async () => {
    const w = world({ site: SITE });
    const path = page.path.replaceAll(/:(\w+)/g, "some-$1");
    const html = await get(w, path);
    if (html.status === 404 && path !== page.path) return;
    expect(html.status).toBe(200);
    expect(html.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(html.headers.get("link")).toMatch(/rel="alternate"; type="application\/json"/);
    for (const panel of page.panels) expect(html.text).toContain(`id="p-${panel.id}"`);
    expect(html.text).not.toMatch(/ style=| on\w+=/);

    const link = /<([^>]+)>/.exec(html.headers.get("link")!)![1]!;
    const json = await get(w, path, { headers: { accept: "application/json" } });
    expect(Object.keys(JSON.parse(json.text).panels)).toEqual(page.panels.map((panel) => panel.id));
    expect((await get(w, link)).text).toBe(json.text);
  });
});

describe("forms and their negotiation", () => {
  it("gives curl's wildcard HTML for pages and JSON for the API", async () => {
    const w = world();
    expect((await get(w, "/", { headers: { accept: "*/*" } })).headers.get("content-type")).toContain(
      "text/html",
    );
    expect((await get(w, "/api/board", { headers: { accept: "*/*" } })).headers.get("content-type")).toBe(
      "application/json",
    );
  });

  it("shows a browser that opens an API address the JSON", async () => {
    const accept = "text/html,application/xml;q=0.9,image/png,image/svg+xml,*/*;q=0.8";
    expect((await get(world(), "/api/board", { headers: { accept } })).headers.get("content-type")).toBe(
      "application/json",
    );
  });

  it("gives the table's rows as CSV, NDJSON and text, and the chart as a file of its own", async () => {
    const w = world();
    expect((await get(w, "/api/board?format=csv")).text).toBe("id,text\r\na,one\r\nb,two\r\n");
    expect((await get(w, "/api/board?format=ndjson&limit=1")).text).toBe('{"id":"a","text":"one"}\n');
    expect((await get(w, "/api/board?format=text")).text).toContain("a   one");
    expect((await get(w, "/api/board?format=svg")).text).toMatch(
      /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/,
    );
    expect((await get(w, "/api/things/x?format=ndjson")).text).toBe('{"id":"x"}\n');
  });

  it("names the forms that there are where it has none that is wanted", async () => {
    const { status, text } = await get(world(), "/api/things/x?format=csv");
    expect(status).toBe(406);
    expect(JSON.parse(text).detail).toBe(
      "Panel thing comes as json (application/json), ndjson (application/x-ndjson); got format=csv",
    );
    expect((await get(world(), "/", { headers: { accept: "image/png" } })).status).toBe(406);
    expect((await get(world(), "/?format=pdf")).status).toBe(406);
  });

  it("answers 304 while nothing has changed", async () => {
    const w = world();
    const first = await get(w, "/panels/board");
    const etag = first.headers.get("etag")!;
    expect(etag).toMatch(/^W\/"/);
    const again = await get(w, "/panels/board", { headers: { "if-none-match": `"other", ${etag}` } });
    expect([again.status, again.text]).toEqual([304, ""]);
    expect(again.headers.get("etag")).toBe(etag);
    w.board.rows.set("a", "changed");
    await w.tick();
    expect((await get(w, "/panels/board", { headers: { "if-none-match": etag } })).status).toBe(200);
  });

  it("answers HEAD as GET without the body", async () => {
    const w = world();
    for (const path of ["/", "/api/board", "/panels/board", "/healthz", "/stream?panels=board"]) {
      const { status, text, headers } = await get(w, path, { method: "HEAD" });
      expect([path, status, text]).toEqual([path, 200, ""]);
      expect(headers.get("content-security-policy")).not.toBeNull();
    }
    expect(w.hub.health().viewers).toBe(0);
  });

  it("compresses what is worth it, as the client likes", async () => {
    const w = world();
    const plain = await get(w, "/");
    const decoded = async (encoding: string, decode: (bytes: Uint8Array) => Buffer) => {
      const response = await w.app.request("/", { headers: { "accept-encoding": encoding } });
      expect(response.headers.get("content-encoding")).toBe(encoding);
      return decode(new Uint8Array(await response.arrayBuffer())).toString();
    };
    expect(await decoded("gzip", gunzipSync)).toBe(plain.text);
    expect(await decoded("br", brotliDecompressSync)).toBe(plain.text);
    expect(
      (await get(w, "/healthz", { headers: { "accept-encoding": "br" } })).headers.get("content-encoding"),
    ).toBeNull();
  });

  it("decodes ids in paths once", async () => {
    const w = world();
    const id = async (path: string) => JSON.parse((await get(w, path)).text).id;
    expect(await id("/api/things/a%2Fb")).toBe("a/b");
    expect(await id("/api/things/100%25")).toBe("100%");
    expect(await id("/api/things/a%2525")).toBe("a%25");
    expect(await id("/api/things/%E2%82%AC%20x")).toBe("€ x");
    expect(await id("/api/things/~..")).toBe("..");
    expect(await id("/api/things/x.json")).toBe("x.json");
    expect(await id("/api/things/~history")).toBe("history");
  });

  it("escapes whatever a name holds", async () => {
    const w = world();
    w.board.rows.set("a", `<script>alert(1)</script>"'&`);
    const { text } = await get(w, "/panels/board");
    expect(text).toContain("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;");
    const page = await get(w, `/things/${encodeURIComponent('"><script>')}`);
    expect(page.text).not.toContain('"><script>');
    const error = await get(w, "/%3Cscript%3E", { headers: { accept: BROWSER } });
    expect(error.status).toBe(404);
    expect(error.text).not.toContain("<script>");
  });

  it("loads and renders each panel once a tick, whatever asks for it", async () => {
    const w = world();
    for (const path of [
      "/",
      "/status",
      "/panels/board",
      "/embed/board",
      "/api/board",
      "/index.json",
      "/?theme=dark",
    ]) {
      expect((await get(w, path)).status).toBe(200);
    }
    expect(w.board.loads).toBe(2);
    expect(w.hub.topics.counts).toMatchObject({ loads: 2, renders: 2 });
    await get(w, "/api/board?limit=50");
    expect(w.board.loads).toBe(2);
    await w.tick();
    await get(w, "/status");
    expect(w.board.loads).toBe(3);
  });

  it("gives a page of one tick, also where the next one comes while its panels are worked out", async () => {
    const w = world();
    let turns = 0;
    vi.spyOn(w.hub, "turn").mockImplementation(async () => {
      turns++;
      if (turns !== 2) return;
      w.board.rows.set("a", "of the next tick");
      w.now.read = { ...w.now.read, tick: 2 };
    });
    const { text } = await get(w, "/index.json");
    const rows = [
      { id: "a", text: "of the next tick" },
      { id: "b", text: "two" },
    ];
    expect(JSON.parse(text)).toMatchObject({ tick: 2, panels: { board: { rows }, other: { rows } } });
    expect(turns).toBe(2);
  });

  it("renders without keeping it where the cache is full", async () => {
    const w = world({ limits: { max_topics: 2 } });
    await get(w, "/");
    expect((await get(w, "/panels/board?limit=7")).status).toBe(200);
    expect(w.hub.health().limits_reached).toEqual({ render_cache: 1 });
  });
});

describe("parameters", () => {
  it("are refused by name, rule and value", async () => {
    const { status, headers, text } = await get(world(), "/api/board?limit=1000");
    expect(status).toBe(400);
    expect(headers.get("content-type")).toBe("application/problem+json");
    expect(JSON.parse(text)).toMatchObject({
      type: "about:blank",
      title: "Bad Request",
      status: 400,
      parameter: "limit",
      detail: expect.stringMatching(/^Parameter limit: .*100.*; got "1000"$/),
    });
    expect((await get(world(), "/?theme=pink")).text).toMatch(/theme.*auto.*pink/);
    expect((await get(world(), "/api/board?only=a&only=b")).text).toMatch(/only/);
    expect((await get(world(), "/api/board?only=a%01b%1b&x=%01")).text).toMatch(
      /Parameter only: must be without control characters; got .*a.{2}u0001b/,
    );
    expect((await get(world(), "/api/board?x=%01")).status).toBe(200);
    expect((await get(world(), "/?format=a%01b%1bc", { headers: { accept: "text/html" } })).text).toContain(
      "got format=abc",
    );
  });

  it("that are empty count as left out, as a form sends them", async () => {
    expect(JSON.parse((await get(world(), "/api/board?limit=&only=")).text).rows).toHaveLength(2);
  });

  it("that a panel does not know never matter", async () => {
    const w = world();
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" })),
        async (extra) => {
          const { only, limit, format, theme, ...others } = extra as Record<string, string>;
          const query = new URLSearchParams(Object.entries(others));
          expect((await get(w, `/api/board?${query}`)).status).toBe(200);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("never make anything but an answer of ours, whatever they hold", async () => {
    const w = world();
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), fc.string(), async (value, raw) => {
        const path = encodeURIComponent(value.replace(/\p{Surrogate}/gu, "?")) || "x";
        for (const url of [
          `/api/things/${path}`,
          `/api/board?limit=${encodeURIComponent(raw)}`,
          `/stream?panels=${path}`,
        ]) {
          expect([200, 308, 400, 404, 406, 503]).toContain((await w.app.request(url)).status);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("errors", () => {
  it("are a page for a browser and a problem for everyone else", async () => {
    const w = world();
    const problem = await get(w, "/nope");
    expect(problem.headers.get("content-type")).toBe("application/problem+json");
    expect(JSON.parse(problem.text)).toMatchObject({ title: "Not Found", status: 404 });
    expect(problem.headers.get("content-security-policy")).not.toBeNull();
    const page = await get(w, "/nope", { headers: { accept: BROWSER } });
    expect(page.status).toBe(404);
    expect(page.headers.get("content-type")).toContain("text/html");
    expect(page.text).toContain("Not Found");
  });

  it("name the methods of a path", async () => {
    const w = world();
    const { status, headers, text } = await get(w, "/api/board", { method: "DELETE" });
    expect([status, headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect(JSON.parse(text).detail).toBe("/api/board takes GET, HEAD; got DELETE");
    expect((await get(w, "/api/ingest")).headers.get("allow")).toBe("POST");
  });

  it("of a panel reach the caller as what they are", async () => {
    const w = world();
    w.board.error = new EvenkeelError("not_found", "There is no worker w9");
    expect(JSON.parse((await get(w, "/api/board")).text)).toMatchObject({
      status: 404,
      detail: "There is no worker w9",
    });
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    w.board.error = new Error("secret detail");
    await w.tick();
    const { status, text } = await get(w, "/");
    expect(status).toBe(500);
    expect(text).not.toContain("secret");
    expect(log).toHaveBeenCalledOnce();
    log.mockRestore();
  });

  it("say when to come back", async () => {
    let reason: string | null = "The store is opening";
    const w = world({ ready: () => reason });
    const { status, headers, text } = await get(w, "/readyz");
    expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
    expect(text).toContain("The store is opening");
    expect((await get(w, "/healthz")).text).toBe('{"status":"ok"}\n');
    reason = null;
    expect((await get(w, "/readyz")).status).toBe(200);
  });
});

describe("security headers", () => {
  it("are on every answer, whatever it is", async () => {
    const w = world();
    for (const [path, init] of [
      ["/", {}],
      ["/api/board", {}],
      ["/api/board?limit=x", {}],
      ["/nope", {}],
      ["/healthz", { method: "PUT" }],
      ["/assets/live.js", {}],
      ["/openapi.json", {}],
    ] as const) {
      const { headers } = await get(w, path, init);
      const policy = headers.get("content-security-policy");
      expect(policy, path).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
      expect(policy).toContain("frame-ancestors 'self'");
      expect(policy).not.toContain("unsafe");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("referrer-policy")).toBe("same-origin");
      expect(headers.get("x-frame-options")).toBe("SAMEORIGIN");
      expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
    }
  });

  it("let a drawing have its own style and nothing else, wherever it is shown", async () => {
    const performance = SITE.panels.find((panel) => panel.id === "performance")!;
    const { headers, text } = await get(world({ site: SITE }), `${performance.api}?format=svg`);
    expect(text).toContain("<style>");
    expect(headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; style-src 'sha256-[\w+/]+='$/,
    );
    expect(headers.get("cross-origin-resource-policy")).toBe("cross-origin");
    const plain = await get(world(), "/api/board?format=svg");
    expect(plain.headers.get("content-security-policy")).toBe("default-src 'none'; style-src 'none'");
  });

  it("keep data out of caches, but let a polled fragment be checked", async () => {
    const w = world();
    for (const path of ["/", "/api/board", "/api/board?limit=x", "/healthz"]) {
      expect((await get(w, path)).headers.get("cache-control"), path).toBe("no-store");
    }
    expect((await get(w, "/panels/board")).headers.get("cache-control")).toBe("private, no-cache");
  });

  it("refuse a list of frame ancestors that would end the directive", () => {
    expect(() => world({ settings: { frame_ancestors: ["https://a.example; script-src *"] } })).toThrow(
      /frame_ancestors/,
    );
    expect(() => world({ settings: { frame_ancestors: [] } })).not.toThrow();
  });
});

describe("a change from a page of another host", () => {
  const post = (w: World, headers: Record<string, string>) =>
    w.app.request("http://board.example/api/ingest", {
      method: "POST",
      body: "{}",
      headers: { host: "board.example", "content-type": "application/json", ...headers },
    });

  it.each([
    [{ origin: "https://evil.example" }, 403],
    [{ origin: "null" }, 403],
    [{ origin: "http://board.example:81" }, 403],
    [{ origin: "http://board.example" }, 202],
    [{ origin: "https://public.example", "x-forwarded-host": "public.example" }, 403],
    [{ origin: "https://public.example", "sec-fetch-site": "same-origin" }, 202],
    [{}, 202],
  ])("with %j answers %i", async (headers, status) => {
    expect((await post(world(), headers as Record<string, string>)).status).toBe(status);
  });
});

describe.each(["/", "/lb/", "/lb", "/a/b/"])("the base path %s", (base_path) => {
  const base = base_path.replace(/\/$/, "");

  it("holds for every route, link and asset", async () => {
    const w = world({ settings: { base_path } });
    const page = await get(w, `${base}/`);
    expect(page.status).toBe(200);
    expect(page.text).toContain(`<base href="${base}/"/>`);
    expect(page.headers.get("link")).toContain(`<${base}/index.json>`);
    for (const [, href] of page.text.matchAll(/(?:src|href)="([^"]*assets[^"]*)"/g)) {
      expect((await get(w, new URL(href!, `http://x${base}/`).pathname)).status).toBe(200);
    }
    expect((await get(w, `${base}/api/board`)).status).toBe(200);
    expect((await get(w, `${base}/healthz`)).status).toBe(200);
    expect(JSON.parse((await get(w, `${base}/openapi.json`)).text).servers).toEqual([{ url: base || "/" }]);
  });

  it("keeps everything else away", async () => {
    const w = world({ settings: { base_path } });
    expect((await get(w, "/elsewhere/api/board")).status).toBe(404);
    if (base === "") return;
    expect((await get(w, "/api/board")).status).toBe(404);
    expect((await get(w, `${base}x/api/board`)).status).toBe(404);
    const redirect = await get(w, `${base}?theme=dark`);
    expect([redirect.status, redirect.headers.get("location")]).toEqual([308, `${base}/?theme=dark`]);
  });
});

describe("assets", () => {
  it("may be kept for ever at the address that bears their version, and only there", async () => {
    const w = world();
    const page = await get(w, "/");
    const hrefs = [...page.text.matchAll(/(?:src|href)="([^"]*assets[^"]*)"/g)].map((match) => match[1]!);
    expect(hrefs).toHaveLength(3);
    for (const href of hrefs) {
      const { status, headers } = await get(w, new URL(href, "http://x/").href);
      expect(status).toBe(200);
      expect(headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    }
    const stale = await get(w, "/assets/live.js?v=old");
    expect(stale.headers.get("cache-control")).toBe("public, no-cache");
    const etag = stale.headers.get("etag")!;
    expect((await get(w, "/assets/live.js", { headers: { "if-none-match": etag } })).status).toBe(304);
    expect((await get(w, "/assets/passwd")).status).toBe(404);
    expect((await get(w, "/assets/..%2F..%2Fpackage.json")).status).toBe(404);
  });

  it("hold the libraries and then our own script in one file, small enough for a first load", async () => {
    const w = world();
    const { text } = await get(w, "/assets/live.js");
    expect(text.indexOf("htmx")).toBeLessThan(text.indexOf('registerExtension("sse"'));
    expect(text.indexOf('registerExtension("sse"')).toBeLessThan(text.indexOf("live-state"));
    expect(text).not.toContain("sourceMappingURL");
    expect(text).not.toContain("Mutations are told");
    expect(() => new Function(text)).not.toThrow();
    expect((await get(w, "/assets/app.css")).text).toMatch(/Pico CSS .*:root/s);
    const own = text.slice(text.lastIndexOf("\n(() => {"));
    expect(own).toContain("live-state");
    expect(own).not.toContain("registerExtension");
    expect(gzipSync(own).length).toBeLessThan(8 * 1024);
    const sizes = await Promise.all(
      ["live.js", "app.css", "icon.svg"].map(async (name) => {
        const response = await w.app.request(`/assets/${name}`, { headers: { "accept-encoding": "br" } });
        return (await response.arrayBuffer()).byteLength;
      }),
    );
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(40 * 1024);
  });
});

describe("OpenAPI", () => {
  it("has every route, its parameters and the shape of its errors", async () => {
    const w = world();
    const spec = JSON.parse((await get(w, "/openapi.json")).text);
    expect(spec.openapi).toBe("3.1.0");
    for (const route of w.routes) {
      const operation = spec.paths[route.path.replaceAll(/:(\w+)/g, "{$1}")][route.method.toLowerCase()];
      expect(operation.summary).toBe(route.summary);
      expect(operation.responses.default.content["application/problem+json"].schema.$ref).toBe(
        "#/components/schemas/Problem",
      );
      for (const name of pathNames(route.path)) {
        expect(operation.parameters).toContainEqual(
          expect.objectContaining({ name, in: "path", required: true }),
        );
      }
    }
    expect(spec.paths["/api/board"].get.parameters).toContainEqual(
      expect.objectContaining({ name: "limit", in: "query", required: false, description: "Most rows" }),
    );
    expect(spec.components.schemas.Problem.properties).toHaveProperty("detail");
  });
});

describe("time", () => {
  it("comes from the snapshot alone", async () => {
    const w = world();
    w.now.read = read({ now_ms: START_MS + 5_000, tick: 7 });
    expect(JSON.parse((await get(w, "/index.json")).text)).toMatchObject({
      at_ms: START_MS + 5_000,
      tick: 7,
      demo: false,
    });
  });
});
