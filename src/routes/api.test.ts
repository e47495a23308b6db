import { describe, expect, it } from "vitest";
import { world } from "./fixture.tsx";
import { SITE } from "./site.ts";

const HTML = { headers: { Accept: "text/html" } };

describe("the API as a page", () => {
  it("tells every request that there is, but the forms of panels that stand beside their data", async () => {
    const { app, routes } = world({ site: SITE });
    const page = await (await app.request("/api", HTML)).text();
    const told = routes.filter(({ path }) => !/^\/(panels|embed)\//.test(path));
    for (const { path } of told) expect(page).toContain(`<code>${path.replaceAll(/:(\w+)/g, "{$1}")}</code>`);
    expect(page.match(/<details /g)).toHaveLength(told.length);
    expect(page).toMatch(new RegExp(`${told.length}\\srequests`));
    expect(page).toContain('<a href="panels/worker?worker_id=W1">as a fragment</a>');
  });

  it("has for each a line that can be run, and a link where it can be opened", async () => {
    const { app } = world({ site: SITE });
    const page = await (await app.request("/api?q=/api/metrics/workers/{worker_id}/history", HTML)).text();
    expect(page).toContain("curl -s &#39;http://127.0.0.1:8080/api/metrics/workers/W1/history&#39;");
    expect(page).toContain('<a href="api/metrics/workers/W1/history">Open it</a>');
    const marks = await (await app.request("/api?q=/api/marks", HTML)).text();
    expect(marks).toContain("-d &#39;{&quot;text&quot;:&quot;model server 2.4&quot;");
    expect(marks).not.toContain("Open it");
  });

  it("shows what matches, and says where nothing does", async () => {
    const { app } = world({ site: SITE });
    const found = await (await app.request("/api?q=INGEST", HTML)).text();
    expect(found).toContain('id="post-api-ingest"');
    expect(found).toContain("workers[].gpus[].index");
    expect(found).not.toContain('id="get-api-workers"');
    const nothing = await (await app.request("/api?q=%3Cb%3Ex", HTML)).text();
    expect(nothing).toContain("Nothing matches");
    expect(nothing).not.toContain("<b>x");
  });

  it("is OpenAPI for programs, which a link names", async () => {
    const { app } = world({ site: SITE, settings: { base_path: "/fleet/" } });
    const page = await app.request("/fleet/api");
    expect(page.headers.get("Content-Type")).toBe("text/html; charset=utf-8");
    expect(page.headers.get("Link")).toBe(
      '</fleet/openapi.json>; rel="service-desc"; type="application/json"',
    );
    const wanted = await app.request("/fleet/api", { headers: { Accept: "application/json" } });
    const described = await app.request("/fleet/openapi.json");
    expect(await wanted.text()).toBe(await described.text());
    expect((await app.request("/fleet/api?format=csv")).status).toBe(406);
  });
});
