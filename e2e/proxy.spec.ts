import type { Page } from "@playwright/test";
import { makeCertificate } from "../src/certificate-fixture.ts";
import { type Front, startHaproxy, startNginx, startWiki } from "./fronts.ts";
import { findProgram } from "./programs.ts";
import { QUIET_S, quietFleet, report } from "./reports.ts";
import { test as base, expect, figure, panel, SOON } from "./test.ts";

// How pages reach the server: over HTTP/1.1 and HTTP/2, through proxies, from frames of other sites.

const test = base.extend<{ ends: (front: Promise<Front>) => Promise<Front> }>({
  // biome-ignore lint/correctness/noEmptyPattern: playwright reads the names of what a fixture needs
  ends: async ({}, use) => {
    const fronts: Front[] = [];
    await use(async (starting) => {
      const front = await starting;
      fronts.push(front);
      return front;
    });
    for (const front of fronts) await front.end();
  },

  // After `ends`, so that a page is judged before what it reaches the server through ends.
  page: async ({ ends: _, page }, use) => use(page),
});

test.use({
  launchOptions: async ({ launchOptions }, use) =>
    use({ ...launchOptions, args: [...(launchOptions.args ?? []), "--test-third-party-cookie-phaseout"] }),
});

const state = (page: Page) => page.locator("#live-state");

/** The address of a server as it is reached through what stands in front. */
const through = ({ origin }: Front, url: string) => origin + new URL(url).pathname;

/** Opens a page and waits until its stream has spoken. */
async function openLive(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await expect(state(page)).toHaveAttribute("data-state", "live", SOON);
}

/** A fleet of so many active workers, sent in a way that takes any certificate. */
async function reportTo(page: Page, url: string, workers: number): Promise<void> {
  const answer = await page.request.post(`${url}api/ingest`, {
    data: quietFleet(workers),
    ignoreHTTPSErrors: true,
  });
  expect(answer.status()).toBe(202);
}

test.describe("twelve panels in frames of another site, and four tabs", () => {
  test.use({ ignoreHTTPSErrors: true, base_path: "/" });

  for (const secure of [false, true]) {
    test(`all stay live over ${secure ? "HTTP/2" : "HTTP/1.1"}`, async ({ page, serve, folder }) => {
      const wiki = await startWiki();
      const certificate = secure ? makeCertificate(folder, "dashboard") : { tls_cert: "", tls_key: "" };
      const { url } = await serve({
        env: {
          EVENKEEL_FRAME_ANCESTORS: wiki.origin,
          EVENKEEL_TLS_CERT: certificate.tls_cert,
          EVENKEEL_TLS_KEY: certificate.tls_key,
        },
      });
      await reportTo(page, url, 3);
      for (let frame = 0; frame < 12; frame++) {
        wiki.frames.push(`${url}embed/overview${frame % 2 ? "?theme=dark" : ""}`);
      }
      await page.goto(wiki.origin);
      const tabs = [page];
      for (let tab = 0; tab < 4; tab++) {
        const other = await page.context().newPage();
        await openLive(other, url);
        tabs.push(other);
      }
      const frames = page.frames().slice(1);
      expect(frames).toHaveLength(12);
      for (const workers of [5, 7]) {
        await reportTo(page, url, workers);
        for (const frame of frames)
          await expect(frame.getByText(`${workers} of ${workers}`)).toBeVisible(SOON);
        for (const tab of tabs.slice(1)) {
          await expect(figure(tab, "Workers active")).toContainText(`${workers} of ${workers}`, SOON);
        }
      }
      for (const frame of frames) {
        await expect(frame.locator("#live-state")).toHaveAttribute("data-state", secure ? "live" : "polling");
        expect(await frame.evaluate(() => document.hasStorageAccess())).toBe(false);
      }
      for (const tab of tabs.slice(1)) await expect(state(tab)).toHaveAttribute("data-state", "live");
      for (const tab of tabs.slice(1)) await tab.close();
      await wiki.end();
    });
  }

  test("and more tabs than a browser has connections: the older ones say that they poll", async ({
    page,
    serve,
  }) => {
    const { url } = await serve();
    await reportTo(page, url, 3);
    await openLive(page, url);
    const tabs = [page];
    for (let tab = 0; tab < 7; tab++) {
      const other = await page.context().newPage();
      await openLive(other, url);
      tabs.push(other);
    }
    for (const tab of tabs.slice(0, 4))
      await expect(state(tab)).toHaveText(/^polling: each second · UTC/, SOON);
    for (const tab of tabs.slice(4)) await expect(state(tab)).toHaveText(/^live · UTC/);
    await reportTo(page, url, 6);
    for (const tab of tabs) await expect(figure(tab, "Workers active")).toContainText("6 of 6", SOON);
    for (const tab of tabs.slice(1)) await tab.close();
  });

  test("and a page that keeps loading another one takes nothing from the others", async ({ page, serve }) => {
    const { url } = await serve();
    await openLive(page, url);
    const other = await page.context().newPage();
    for (let turn = 0; turn < 6; turn++) await openLive(other, `${url}${turn % 2 ? "" : "workers"}`);
    await expect(state(page)).toHaveText(/^live · UTC/);
    await other.close();
  });
});

test("a page whose stream brings nothing within two seconds polls, and tries the stream again in five minutes", async ({
  page,
  serve,
}) => {
  const { url } = await serve();
  await report(url, quietFleet(3));
  await page.clock.install();
  const stream = "**/stream?panels=*";
  await page.route(stream, () => {});
  await page.goto(url);
  await expect(state(page)).toHaveText(/^polling: each second · UTC/, SOON);
  await report(url, { workers: [{ id: "worker-004", interval_s: QUIET_S }] });
  await expect(figure(page, "Workers active")).toContainText("4 of 4", SOON);

  await page.unroute(stream);
  await page.clock.fastForward(301_000);
  await expect(state(page)).toHaveAttribute("data-state", "live", SOON);
  await expect(page.getByRole("alert")).toBeHidden();
});

test.describe("behind", () => {
  const nginx = findProgram("nginx");
  const haproxy = findProgram("haproxy");

  /** What a person does behind a proxy: watch, follow a link, change something. */
  async function used(page: Page, url: string): Promise<void> {
    await openLive(page, url);
    await expect(figure(page, "Workers active")).toContainText("3 of 3", SOON);
    await report(url, { workers: [{ id: "worker-004", interval_s: QUIET_S }] });
    await expect(figure(page, "Workers active")).toContainText("4 of 4", SOON);
    await panel(page, "Workers").getByRole("link", { name: "worker-002" }).first().click();
    await expect(page.getByRole("heading", { level: 1 })).toContainText("worker-002");
    await expect(state(page)).toHaveAttribute("data-state", "live", SOON);
    await page.goto(`${url}settings`);
    await page.getByLabel("Dark").check();
    await page.getByRole("button", { name: "Save" }).first().click();
    await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  }

  for (const base_path of ["/", "/lb", "/a/b/"]) {
    test(`nginx as it comes, at ${base_path}, a page is live`, async ({ page, serve, folder, ends }) => {
      test.skip(nginx === undefined, "there is no nginx");
      const { url } = await serve({ env: { EVENKEEL_BASE_PATH: base_path } });
      await report(url, quietFleet(3));
      const front = await ends(startNginx(nginx!, folder, url));
      await used(page, through(front, url));
      // Without the slash at its end the address leads to the same page.
      await openLive(page, front.origin + base_path.replace(/\/$/, ""));
    });

    test(`haproxy as it comes, at ${base_path}, a page is live`, async ({ page, serve, folder, ends }) => {
      test.skip(haproxy === undefined, "there is no haproxy");
      const { url } = await serve({ env: { EVENKEEL_BASE_PATH: base_path } });
      await report(url, quietFleet(3));
      const front = await ends(startHaproxy(haproxy!, folder, url));
      await used(page, through(front, url));
      await openLive(page, front.origin + base_path.replace(/\/$/, ""));
    });
  }

  test("an nginx that holds streams back, a page says that it polls, and shows what is new", async ({
    page,
    serve,
    folder,
    ends,
  }) => {
    test.skip(nginx === undefined, "there is no nginx");
    const { url } = await serve();
    await report(url, quietFleet(3));
    const holds =
      "proxy_ignore_headers X-Accel-Buffering; proxy_buffers 64 256k; proxy_buffer_size 256k; proxy_busy_buffers_size 512k;";
    const front = await ends(startNginx(nginx!, folder, url, holds));
    await page.goto(through(front, url));
    await expect(state(page)).toHaveText(/^polling: each second · UTC/, SOON);
    await report(url, { workers: [{ id: "worker-004", interval_s: QUIET_S }] });
    await expect(figure(page, "Workers active")).toContainText("4 of 4", SOON);
    await expect(page.getByRole("alert")).toBeHidden();
  });

  test("a named proxy an origin is judged by what the proxy was asked for", async ({
    page,
    serve,
    folder,
    ends,
  }) => {
    test.skip(nginx === undefined, "there is no nginx");
    const post = (address: string, origin: string) =>
      page.request
        .post(`${address}api/marks`, { data: { text: "deployed" }, headers: { origin } })
        .then((a) => a.status());
    const tells =
      "proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;";
    const [trusting, other] = [
      await serve({ env: { EVENKEEL_TRUSTED_PROXIES: "127.0.0.0/8" } }),
      await serve(),
    ];
    const front = await ends(startNginx(nginx!, folder, trusting.url, tells));
    expect(await post(through(front, trusting.url), front.origin)).toBe(201);
    expect(await post(through(front, trusting.url), "http://evil.example")).toBe(403);
    const unknown = await ends(startNginx(nginx!, folder, other.url, tells));
    expect(await post(through(unknown, other.url), unknown.origin)).toBe(403);
  });
});
