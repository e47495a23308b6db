import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AccountStore, openAccounts } from "../metrics/store/accounts.ts";
import type { MetricStore } from "../metrics/store/contract.ts";
import type { SessionStore } from "../metrics/store/sessions.ts";
import { openStore } from "../metrics/store/sqlite.ts";
import { type World, world } from "./fixture.tsx";
import { SITE } from "./site.ts";

let folder: string;
let store: MetricStore;
let accounts: AccountStore;
let sessions: SessionStore;
let w: World;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
  store = openStore(join(folder, "evenkeel.db"));
  accounts = openAccounts(join(folder, "evenkeel.db"));
  sessions = accounts.sessions;
  w = world({ site: SITE, accounts });
});

afterEach(async () => {
  accounts.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

/** A browser: it keeps its cookie. */
class Browser {
  cookie = "";

  async get(path: string) {
    const headers = { Accept: "text/html", ...(this.cookie && { Cookie: this.cookie }) };
    const response = await w.app.request(path, { headers });
    return {
      status: response.status,
      to: response.headers.get("location"),
      text: await response.text(),
      response,
    };
  }

  async post(
    path: string,
    fields: Record<string, string> | [string, string][],
    more: Record<string, string> = {},
  ) {
    const response = await w.app.request(path, {
      method: "POST",
      headers: {
        "Content-Type": "application/x-www-form-urlencoded",
        ...(this.cookie && { Cookie: this.cookie }),
        ...more,
      },
      body: new URLSearchParams(fields).toString(),
    });
    const set = response.headers.get("set-cookie");
    if (set) this.cookie = set.split(";")[0]!;
    return {
      status: response.status,
      to: response.headers.get("location"),
      set,
      text: await response.text(),
    };
  }
}

const LOOK = { theme: "dark", density: "compact", tz: "Asia/Tokyo", range: "6h" };

describe("a session", () => {
  it("begins with the first choice, by a cookie that no script reads, and is kept as a hash", async () => {
    const browser = new Browser();
    expect((await browser.get("/settings")).response.headers.get("set-cookie")).toBeNull();
    const { status, to, set } = await browser.post("/settings", LOOK);
    expect([status, to]).toEqual([303, "/settings?done=saved"]);
    expect(set).toMatch(/^evenkeel_session=[\w-]{43}; Path=\/; Max-Age=15552000; HttpOnly; SameSite=Lax$/);
    const secret = browser.cookie.split("=")[1]!;
    expect(sessions.find(secret)).toBeUndefined();
    const first = browser.cookie;
    await browser.post("/settings", LOOK);
    expect(browser.cookie).toBe(first);
    expect((await browser.get("/settings?done=constructor")).text).not.toContain("native code");
    const page = (await browser.get("/settings?done=saved")).text;
    expect(page).toContain('<html lang="en" data-theme="dark" class="compact" data-tz="Asia/Tokyo">');
    expect(page).toContain("Saved.");
  });

  it("is forgotten when asked, and a cookie that nobody gave out is none", async () => {
    const browser = new Browser();
    await browser.post("/settings", LOOK);
    const { cookie } = browser;
    expect((await browser.post("/settings/forget", {})).set).toMatch(/^evenkeel_session=; .*Max-Age=0/);
    browser.cookie = cookie;
    expect((await browser.get("/settings")).text).not.toContain("data-theme");
    for (const forged of ["x", "a".repeat(43), "%00", "'; DROP TABLE sessions"]) {
      browser.cookie = `evenkeel_session=${forged}`;
      expect((await browser.get("/settings")).status).toBe(200);
    }
  });

  it("is refused to a page of another host, and to anything but a form", async () => {
    const browser = new Browser();
    expect((await browser.post("/settings", LOOK, { Origin: "https://evil.example" })).status).toBe(403);
    expect((await browser.post("/settings", LOOK, { "Content-Type": "text/plain" })).status).toBe(415);
    expect(browser.cookie).toBe("");
  });
});

describe("what a viewer chose", () => {
  it("decides the classes of pages, and yields to what the address says; embeds know nothing of it", async () => {
    const browser = new Browser();
    await browser.post("/settings", LOOK);
    expect((await browser.get("/status")).text).toContain('data-theme="dark" class="compact"');
    expect((await browser.get("/status?theme=light&density=comfortable")).text).toContain(
      'data-theme="light"',
    );
    expect((await browser.get("/embed/overview")).text).toContain('<html lang="en" class="embedded">');
  });

  it("leads / and /history to an address, which then shows the same to all", async () => {
    const browser = new Browser();
    await browser.post("/settings", { ...LOOK, worker_type: "gpu", q: "a&b" });
    expect((await browser.get("/")).to).toBe("/?worker_type=gpu&q=a%26b");
    expect((await browser.get("/history")).to).toBe("/history?duration=6h");
    expect((await browser.get("/?all")).status).toBe(200);
    expect((await browser.get("/index.json")).status).toBe(200);
    expect((await new Browser().get("/")).status).toBe(200);
  });

  it("orders and hides panels of the overview", async () => {
    const browser = new Browser();
    const ids = SITE.pages[0]!.panels.map(({ id }) => id);
    const shown = ids.filter((id) => id !== "performance").map((id): [string, string] => ["shown", id]);
    await browser.post("/settings/panels", [["order", ids.join(",")], ...shown, ["up", "alerts"]]);
    const { to } = await browser.get("/");
    expect(to).toBe("/?panels=overview,worker-grid,task-distribution,alerts,resources");
    const page = (await new Browser().get(to!)).text;
    expect([...page.matchAll(/<section id="p-([\w-]+)"/g)].map(([, id]) => id)).toEqual([
      "overview",
      "worker-grid",
      "task-distribution",
      "alerts",
      "resources",
    ]);
    expect(page).toContain("stream?panels=overview,worker-grid,task-distribution,alerts,resources");
    expect((await browser.post("/settings/panels", { order: ids.join(",") })).status).toBe(422);
    await browser.post("/settings/panels", { reset: "yes" });
    expect((await browser.get("/")).status).toBe(200);
  });

  it("keeps views by their names, and only addresses of this dashboard", async () => {
    const browser = new Browser();
    expect((await browser.post("/settings/views", { name: "GPUs", url: "?worker_type=gpu" })).to).toBe(
      "/?worker_type=gpu",
    );
    await browser.post("/settings/views", { name: "<b>week</b>", url: "history?duration=7d" });
    await browser.post("/settings/views", { name: "GPUs", url: "?worker_type=gpu&q=1" });
    const page = (await browser.get("/status")).text;
    expect(page).toContain('<a href="./?worker_type=gpu&amp;q=1"><bdi>GPUs</bdi></a>');
    expect(page).toContain("<bdi>&lt;b&gt;week&lt;/b&gt;</bdi>");
    expect(page.match(/<bdi>GPUs/g)).toHaveLength(1);
    for (const url of [
      "https://evil.example",
      "//evil.example",
      "/\\evil",
      "javascript:alert(1)",
      "a b",
      "\\\\x",
    ]) {
      const refused = await browser.post("/settings/views", { name: "x", url });
      expect(refused.status, url).toBe(422);
    }
    await browser.post("/settings/views/forget", { name: "GPUs" });
    expect((await browser.get("/status")).text).not.toContain("GPUs");
  });

  it.each([
    [{ theme: "pink" }, /theme: /],
    [{ tz: "Mars/Olympus" }, /tz: must be the name of a time zone.*got "Mars\/Olympus"/],
    [{ range: "soon" }, /range: must be a /],
    [{ q: "x".repeat(600) }, /filters\.q: /],
  ])("%j is refused by its name, and nothing of it is kept", async (wrong, why) => {
    const browser = new Browser();
    const { status, text } = await browser.post("/settings", { ...LOOK, ...wrong });
    expect(status).toBe(422);
    expect(JSON.parse(text).detail).toMatch(why);
    expect(browser.cookie).toBe("");
  });

  it("that no longer reads falls back to what everybody sees", async () => {
    const browser = new Browser();
    await browser.post("/settings", LOOK);
    const { createHash } = await import("node:crypto");
    const hash = createHash("sha256").update(browser.cookie.split("=")[1]!).digest("base64url");
    const preferences = '{"theme":"dark","density":"gone","panels":["overview","purged"],"new":1}';
    sessions.put({ ...sessions.find(hash)!, preferences });
    expect((await browser.get("/status")).text).toContain('<html lang="en" data-theme="dark">');
    expect((await browser.get("/")).to).toBe("/?panels=overview");
  });
});

describe("the arrangement in an address", () => {
  it.each(["nothing", "overview,nothing", ","])("panels=%s is refused with what there is", async (panels) => {
    const response = await w.app.request(`/?panels=${panels}`);
    expect(response.status).toBe(400);
    expect(((await response.json()) as { detail: string }).detail).toMatch(
      /^Parameter panels: must be some of overview, worker-grid, /,
    );
  });

  it("holds for the page's data too", async () => {
    const response = await w.app.request("/index.json?panels=alerts");
    expect(Object.keys(((await response.json()) as { panels: object }).panels)).toEqual(["alerts"]);
  });
});

describe("a view for all", () => {
  it("is found by everybody, replaced under its name, and forgotten", async () => {
    const [one, other] = [new Browser(), new Browser()];
    const saved = await one.post("/views", { name: "<b>GPU</b>", url: "workers?worker_type=gpu" });
    expect([saved.status, saved.to]).toEqual([303, "/workers?worker_type=gpu"]);
    await one.post("/views", { name: "<b>GPU</b>", url: "workers?worker_type=tpu" });
    const { text } = await other.get("/status");
    expect(text).toContain("Views for all");
    expect(text).toContain('href="workers?worker_type=tpu"');
    expect(text).toContain("&lt;b&gt;GPU&lt;/b&gt;");
    expect(accounts.audit(1)[0]).toMatchObject({ who: "anyone", detail: "<b>GPU</b>" });
    await other.post("/views/forget", { name: "<b>GPU</b>" });
    expect((await one.get("/status")).text).not.toContain("Views for all");
  });

  it("leads to no other host, and is one of a hundred", async () => {
    const browser = new Browser();
    for (const url of ["https://evil.example", "//evil.example", "javascript:alert(1)"])
      expect((await browser.post("/views", { name: "x", url })).status).toBe(422);
    for (let i = 0; i < 100; i += 1) await browser.post("/views", { name: `view ${i}`, url: "" });
    expect((await browser.post("/views", { name: "one more", url: "" })).status).toBe(429);
    expect((await browser.post("/views", { name: "view 7", url: "tasks" })).status).toBe(303);
  });
});
