import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { startWiki } from "./fronts.ts";
import { quietFleet, report } from "./reports.ts";
import { runEvenkeel } from "./server.ts";
import { CONNECTION_LOST, expect, figure, live, openLive, panel, SOON, test } from "./test.ts";

const BIN = fileURLToPath(new URL("../bin/evenkeel.js", import.meta.url));
const PASSWORD = "correct horse battery";

/** As a person at the command line. */
function evenkeel(db: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args, "--db", db], {
    input: `${PASSWORD}\n`,
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout.trim();
}

async function logIn(page: Page, name: string, password = PASSWORD): Promise<void> {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

test.use({ tolerated: new RegExp(`${CONNECTION_LOST.source}|status of 40[01]`) });

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
    test.use({ javaScriptEnabled });

    test("one logs in, is led back, administers, and logs out", async ({ page, serve, folder }) => {
      const db = join(folder, "fleet.db");
      const { url } = await serve({ db });
      await report(url, quietFleet(3));
      expect(evenkeel(db, "user", "add", "anna", "--role", "admin")).toBe(
        "anna is added and may do what an admin may",
      );
      await page.goto(`${url}workers?q=worker`);
      await expect(page).toHaveURL(/\/login\?next=/);
      await expect(page.getByText("worker-")).toHaveCount(0);
      await logIn(page, "anna", "something else");
      await expect(page.getByRole("alert")).toHaveText("There is no such user, or the password is another");
      await logIn(page, "anna");
      await expect(page).toHaveURL(`${url}workers?q=worker`);
      await page.goto(`${url}admin`);
      const users = panel(page, "Users");
      await users.getByLabel("Name").fill("vera");
      await users.getByLabel("Password").fill(PASSWORD);
      await users.getByRole("button", { name: "Add a user" }).click();
      await expect(page.locator(".done")).toHaveText("The user is added.");
      await expect(users.getByRole("row", { name: /^vera/ })).toBeVisible();
      await users.getByLabel("Name").fill("vera");
      await users.getByLabel("Role").selectOption("operator");
      await users.getByLabel("Password").fill(PASSWORD);
      await users.getByRole("button", { name: "Add a user" }).click();
      await expect(users.getByRole("alert")).toHaveText(/^name must be another one/);
      await expect(users.getByLabel("Name")).toBeFocused();
      await expect(users.getByLabel("Name")).toHaveValue("vera");
      await expect(users.getByLabel("Name")).toHaveAccessibleDescription(/^name must be another one/);
      await expect(users.getByLabel("Role")).toHaveValue("operator");
      await expect(users.getByLabel("Password")).toHaveValue("");
      await users.getByRole("link", { name: "vera" }).click();
      await page.getByLabel("Another one, 10").fill("another horse battery");
      await page.getByRole("button", { name: "Set the password" }).click();
      await expect(page.locator(".done")).toContainText("The password is set");
      await expect(page.getByRole("button", { name: "Yes, remove vera for good" })).toBeHidden();
      await page.getByText("Remove vera", { exact: true }).click();
      await page.getByRole("button", { name: "Yes, remove vera for good" }).click();
      await expect(page.locator(".done")).toHaveText("The user is removed, and all sessions of theirs.");
      await expect(users.getByRole("link", { name: "vera" })).toHaveCount(0);
      await page.getByRole("link", { name: "its settings" }).click();
      await expect(page.getByRole("row", { name: /^port / })).toContainText("--port");
      await page.goBack();
      const tokens = panel(page, "Tokens");
      await tokens.getByLabel("What it is for").fill("<b>balancer</b>");
      await tokens.getByLabel("Sources it may report as").fill("balancer-1");
      await tokens.getByRole("button", { name: "Make a token" }).click();
      const secret = await panel(page, "The new token").locator("pre").innerText();
      expect(secret).toMatch(/^Authorization: Bearer evk_ingest_[\w-]{43}$/);
      await expect(tokens.getByRole("row", { name: /<b>balancer<\/b> ingest balancer-1/ })).toBeVisible();
      await page.goto(`${url}admin`);
      await expect(panel(page, "Who did what")).toContainText("ingest token <b>balancer</b>");
      await page.goto(`${url}account`);
      await page.getByRole("button", { name: "Log out", exact: true }).click();
      await expect(page).toHaveURL(`${url}login`);
      await page.goto(url);
      await expect(page.getByRole("button", { name: "Log in" })).toBeVisible();
    });
  });
}

test("a page that is open leads to the log-in within a tick or two of its session's end", async ({
  page,
  serve,
  folder,
}) => {
  const db = join(folder, "fleet.db");
  const { url } = await serve({ db });
  await report(url, quietFleet(3));
  evenkeel(db, "user", "add", "anna", "--role", "admin");
  evenkeel(db, "user", "add", "vera");
  await page.goto(url);
  await logIn(page, "vera");
  await live(page);
  const refused = await page.request.get(`${url}admin`);
  expect(refused.status()).toBe(403);
  evenkeel(db, "user", "remove", "vera");
  await expect(page.getByRole("button", { name: "Log in" })).toBeVisible(SOON);
});

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "a viewer" : "a viewer without JavaScript", () => {
    test.use({ javaScriptEnabled });

    test("is offered nothing that would be refused, and told why", async ({ page, serve, folder }) => {
      const db = join(folder, "fleet.db");
      const { url } = await serve({ db });
      await report(url, { ...quietFleet(3), workers: [{ id: "hot", metrics: { cpu_utilization: 99 } }] });
      await expect
        .poll(async () => (await fetch(`${url}api/alerts`)).text(), SOON)
        .toContain("worker_overload:hot");
      const silence = { matchers: "worker=w-*", duration: "1h", by: "oscar" };
      const set = await page.request.post(`${url}silences`, { form: silence, maxRedirects: 0 });
      expect(set.status()).toBe(303);
      const view = { name: "all of them", url: "workers" };
      expect((await page.request.post(`${url}views`, { form: view, maxRedirects: 0 })).status()).toBe(303);
      for (const name of ["anna", "oscar", "vera"])
        evenkeel(
          db,
          "user",
          "add",
          name,
          "--role",
          { anna: "admin", oscar: "operator", vera: "viewer" }[name]!,
        );
      const pages = [
        "alerts?refresh=off",
        "alerts/worker_overload:hot",
        "silences/new?matchers=worker=hot&duration=1h&by=oscar",
        "settings",
      ];
      const offers = page
        .getByRole("main")
        .locator("button, a")
        .filter({ hasText: /acknowledge|silence|^End|^Test|^Preview$|Forget$/i, visible: true });
      const offered = async () => {
        const found: string[] = [];
        for (const path of pages) {
          await page.goto(url + path);
          found.push(...(await offers.allInnerTexts()));
        }
        return found;
      };
      await page.goto(url);
      await logIn(page, "oscar");
      expect(await offered()).toEqual([
        "End it",
        "New silence",
        "Acknowledge",
        "Preview the silence",
        "Preview",
        "Set this silence",
        "Forget",
      ]);
      await expect(page.getByText("You may read only")).toHaveCount(0);
      await page.context().clearCookies();
      await page.goto(url);
      await logIn(page, "vera");
      expect(await offered()).toEqual([]);
      await expect(page.getByRole("link", { name: "all of them" }).first()).toBeAttached();
      for (const path of pages.slice(1, 3)) {
        await page.goto(url + path);
        await expect(page.getByText("You may read only: this is for operators.")).toBeVisible();
      }
    });
  });
}

test("a link shows one panel in a frame of another site, live, without a log-in", async ({
  page,
  serve,
  folder,
}) => {
  const db = join(folder, "fleet.db");
  const { url } = await serve({ db, env: { EVENKEEL_FRAME_ANCESTORS: "self http://localhost:*" } });
  await report(url, quietFleet(3));
  evenkeel(db, "user", "add", "anna", "--role", "admin");
  await page.goto(`${url}embeds/new?panel=overview`);
  await logIn(page, "anna");
  await expect(page.frameLocator("iframe").getByRole("heading", { name: "Workers active" })).toBeVisible(
    SOON,
  );
  await page.getByRole("button", { name: "Make a link" }).click();
  await expect(page.getByRole("heading", { name: "For your page, with its link" })).toBeVisible();
  const code = await page.locator("pre code").innerText();
  const src = /src="([^"]+)"/.exec(code)![1]!.replaceAll("&amp;", "&");
  await page.goto("about:blank");
  await page.context().clearCookies();
  await openLive(page, src);
  await expect(figure(page, "Workers active")).toContainText("3 of 3");
  await page.goto(url);
  await expect(page.getByRole("button", { name: "Log in" })).toBeVisible();
});

test("in a frame of another site a link leads to the panel's data, and all else opens beside it", async ({
  page,
  serve,
  folder,
}) => {
  const db = join(folder, "fleet.db");
  const wiki = await startWiki();
  const { url } = await serve({ db, env: { EVENKEEL_FRAME_ANCESTORS: wiki.origin } });
  await report(url, quietFleet(3));
  evenkeel(db, "user", "add", "anna", "--role", "admin");
  await page.goto(`${url}embeds/new?panel=worker-list&sort=-cpu`);
  await logIn(page, "anna");
  await expect(page.getByText("Here it can't be shown in a frame")).toBeVisible();
  await page.getByRole("button", { name: "Make a link" }).click();
  await expect(page.getByRole("heading", { name: "For your page, with its link" })).toBeVisible();
  const code = await page.locator("pre code").innerText();
  wiki.frames.push(/src="([^"]+)"/.exec(code)![1]!.replaceAll("&amp;", "&"));
  await page.context().clearCookies();
  await page.goto(wiki.origin);
  const frame = page.frameLocator("iframe");
  await expect(frame.locator("#live-state")).toHaveAttribute("data-state", /live|polling/, SOON);
  const beside = async (name: RegExp) => {
    const opened = page.waitForEvent("popup");
    await frame.getByRole("link", { name }).first().click();
    return opened;
  };
  const data = await beside(/^JSON$/);
  await expect(data.locator("body")).toContainText('"success":true');
  const worker = await beside(/001/);
  await expect(worker.getByRole("button", { name: "Log in" })).toBeVisible();
  await expect(frame.getByRole("link", { name: /^JSON$/ })).toBeVisible();
  await expect(page).toHaveURL(`${wiki.origin}/`);
  await wiki.end();
});

test("whoever can be reached by others needs users first", async ({ serve, folder }) => {
  const db = join(folder, "fleet.db");
  const refused = await runEvenkeel(["serve", "--host", "0.0.0.0", "--port", "0", "--db", db]);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("evenkeel user add NAME")]);
  evenkeel(db, "user", "add", "anna", "--role", "admin");
  const { url } = await serve({ db, args: ["--host", "0.0.0.0"] });
  const address = `${url.replace("0.0.0.0", "127.0.0.1")}api/status`;
  expect((await fetch(address)).status).toBe(401);
  const secret = evenkeel(db, "token", "add", "a script", "--role", "viewer");
  const status = () => fetch(address, { headers: { Authorization: `Bearer ${secret}` } });
  expect((await status()).status).toBe(200);
  const [id = ""] = evenkeel(db, "token", "list").split(" ");
  evenkeel(db, "token", "revoke", id);
  expect((await status()).status).toBe(401);
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`the pages meet WCAG 2.2 AA in ${colorScheme}, on a desk and on a phone, and fit`, async ({
    page,
    serve,
    folder,
  }) => {
    test.slow();
    const db = join(folder, "fleet.db");
    const { url } = await serve({ db });
    evenkeel(db, "user", "add", "anna", "--role", "admin");
    evenkeel(db, "token", "add", "a".repeat(100), "--sources", "s".repeat(200));
    await page.emulateMedia({ colorScheme });
    await page.goto(`${url}login`);
    const scan = async (what: string) => {
      for (const width of [1440, 390]) {
        await page.setViewportSize({ width, height: 900 });
        const { violations } = await new AxeBuilder({ page })
          .withTags(["wcag2a", "wcag2aa", "wcag22aa"])
          .analyze();
        expect([what, width, violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])]).toEqual(
          [what, width, []],
        );
        expect(
          await page.evaluate(() => document.documentElement.scrollWidth - innerWidth),
          what,
        ).toBeLessThanOrEqual(0);
      }
    };
    await scan("login");
    await logIn(page, "anna", "not this one");
    await scan("login, refused");
    await logIn(page, "anna");
    const pages = [
      ...["admin", "admin/users/anna", "admin/settings", "account", "embeds/new"],
      ...["embeds/new?panel=worker-list", "embeds/new?panel=history&duration=soon"],
    ];
    for (const path of pages) {
      await page.goto(url + path);
      await scan(path);
    }
  });
}
