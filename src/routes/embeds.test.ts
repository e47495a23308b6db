import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AccountStore, openAccounts } from "../metrics/store/accounts.ts";
import { addToken } from "./auth/accounts.ts";
import { type World, world } from "./fixture.tsx";
import { SITE } from "./site.ts";

let folder: string;
let accounts: AccountStore;
let w: World;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-"));
  accounts = openAccounts(join(folder, "evenkeel.db"));
  w = world({ accounts, site: SITE, settings: { frame_ancestors: ["'self'"] } });
});

afterEach(() => {
  w.hub.close();
  accounts.close();
  rmSync(folder, { recursive: true });
});

async function get(path: string, headers: Record<string, string> = {}) {
  const response = await w.app.request(path, { headers: { accept: "text/html", ...headers } });
  return { status: response.status, location: response.headers.get("location"), html: await response.text() };
}

/** What a person reads beside each field. */
function labelsOf(html: string): string[] {
  const form = html.split("<form ").find((one) => one.includes(">Show</button>"))!;
  return [...form.matchAll(/<label[^>]*>([^<]*)</g)].map(([, text]) => text!.trim());
}

describe("the page that builds a frame", () => {
  it("is where the address of its form leads", async () => {
    expect(await get("/embeds")).toMatchObject({ status: 303, location: "/embeds/new" });
  });

  it.each(SITE.panels.filter(({ bare, form }) => !bare && !form).map(({ id }) => id))(
    "of %s calls each field by words",
    async (id) => {
      const labels = labelsOf((await get(`/embeds/new?panel=${id}`)).html);
      for (const label of labels) expect(label).toMatch(/^[A-Z][^_]*$/);
      expect(new Set(labels).size).toBe(labels.length);
      expect(labels.slice(-4)).toEqual(["Theme", "Density", "Time zone", "Without JavaScript"]);
    },
  );

  it("has every panel once, below what it is of", async () => {
    const { html } = await get("/embeds/new");
    const all = /<select name="panel">(.*?)<\/select>/.exec(html)![1]!;
    const ids = [...all.matchAll(/<option value="([^"]+)"/g)].map(([, id]) => id);
    const panels = SITE.panels.filter(({ bare, form }) => !bare && !form);
    expect(ids.toSorted()).toEqual(panels.map(({ id }) => id).toSorted());
    expect(all).toMatch(/label="Of one task type">.*"task-type-trends".*<\/optgroup>/);
  });

  it("offers what can be chosen, in words, and what an address already says", async () => {
    const { html } = await get("/embeds/new?panel=history&duration=90m&refresh=off");
    expect(html).toContain('<option value="15m">the last 15 minutes</option>');
    expect(html).toContain('<option value="90m" selected');
    expect(html).toContain("embed/history?duration=90m&amp;amp;refresh=off&quot;");
    const list = (await get("/embeds/new?panel=worker-list&sort=-cpu")).html;
    expect(list).toMatch(/<option value="-cpu" selected[^>]*>cpu, descending</);
  });

  it.each([
    ["panel=history&duration=soon", "duration", "must be a duration from 1s to 366d"],
    ["panel=performance&minutes=1000", "minutes", "Parameter minutes"],
    ["panel=overview&tz=Mars", "tz", "must be the name of a time zone"],
  ])("says at the field what is wrong with %s, and shows no frame of it", async (query, name, says) => {
    const { status, html } = await get(`/embeds/new?${query}`);
    expect(status).toBe(400);
    expect(html).toMatch(new RegExp(`<p id="problem" class="problem" role="alert"><bdi>Parameter ${name}: `));
    expect(html).toContain(says);
    expect(html).toMatch(new RegExp(`name="${name}" aria-invalid="true" aria-describedby="problem"`));
    expect(html).not.toContain("<iframe");
  });

  it("looks itself as its viewer chose, whatever the frame looks like", async () => {
    const { html } = await get("/embeds/new?panel=overview&theme=dark");
    expect(html).not.toContain('data-theme="dark"');
    expect(html).toContain('<iframe src="embed/overview?theme=dark"');
  });

  it("names the address by which it was reached, unless a setting does", async () => {
    const host = { host: "dash.example:8443" };
    expect((await get("/embeds/new?panel=overview", host)).html).toContain(
      "src=&quot;http://dash.example:8443/embed/overview&quot;",
    );
    const named = world({
      accounts,
      site: SITE,
      settings: { external_url: "https://fleet.example/keel/" },
    });
    const html = await (await named.app.request("/embeds/new?panel=overview", { headers: host })).text();
    named.hub.close();
    expect(html).toContain("src=&quot;https://fleet.example/keel/embed/overview&quot;");
  });

  it("shows no empty preview where its own pages may not be framed", async () => {
    const other = world({ accounts, site: SITE, settings: { frame_ancestors: ["https://wiki.example"] } });
    const html = await (await other.app.request("/embeds/new?panel=overview")).text();
    other.hub.close();
    expect(html).not.toContain("<iframe src=");
    expect(html).toContain("Pages of https://wiki.example may show it in a frame");
    expect(html).toContain("Here it can&#39;t be shown in a frame");
  });
});

describe("a link of 0 days", () => {
  it("is refused where it was asked for, with all that was filled in", async () => {
    accounts.putUser({ name: "root", role: "admin", password: "", created_ms: 0 });
    const { secret } = addToken(accounts, { name: "x", role: "operator" }, "test", 0);
    const response = await w.app.request("/embeds", {
      method: "POST",
      headers: {
        authorization: `Bearer ${secret}`,
        "content-type": "application/x-www-form-urlencoded",
        accept: "text/html",
      },
      body: "panel=overview&worker_type=gpu&days=0",
    });
    const html = await response.text();
    expect(response.status).toBe(400);
    expect(html).toContain("<bdi>days must be a whole number from 1 to 366; got 0</bdi>");
    expect(html).toContain('name="worker_type" value="gpu"');
    expect(accounts.links()).toEqual([]);
  });
});
