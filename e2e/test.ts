import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as base, expect, type Locator, type Page } from "@playwright/test";
import { type Server, type ServerOptions, startServer } from "./server.ts";

export { expect };

/** What a slow machine may take for what takes a tick or two. */
export const SOON = { timeout: 15_000 };

/** What a browser says when a server goes away, or is not there. */
export const CONNECTION_LOST =
  /net::ERR_(CONNECTION|INCOMPLETE|EMPTY|SOCKET|FAILED)|htmx:sse:error|Failed to fetch/;

interface Fixtures {
  /** Where servers live below their host. */
  base_path: string;
  /** Starts a server, without the demo fleet unless asked for; it ends with the test. */
  serve: (options?: ServerOptions) => Promise<Server>;
  /** A folder that goes with the test. */
  folder: string;
  /** What the browser may complain of; any other error, dialog or refusal of the policy fails the test. */
  tolerated: RegExp;
}

export const test = base.extend<Fixtures>({
  tolerated: [/^$/, { option: true }],
  // Whatever holds below a path holds at the root; few who write an address think of the path.
  base_path: [process.env.BASE_PATH ?? "/lb/", { option: true }],

  // biome-ignore lint/correctness/noEmptyPattern: playwright reads the names of what a fixture needs
  folder: async ({}, use) => {
    const folder = mkdtempSync(join(tmpdir(), "evenkeel-e2e-"));
    await use(folder);
    rmSync(folder, { recursive: true, force: true });
  },

  serve: async ({ base_path }, use) => {
    const servers: Server[] = [];
    await use(async ({ env, ...options } = {}) => {
      const fixed = { EVENKEEL_DEMO: "off", EVENKEEL_BASE_PATH: base_path };
      const server = await startServer({ env: { ...fixed, ...env }, ...options });
      servers.push(server);
      return server;
    });
    for (const server of servers) await server.kill();
  },

  // After `serve`, so that a page is judged before its servers end.
  page: async ({ serve: _, page, tolerated }, use) => {
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
    page.on("dialog", (dialog) => {
      complaints.push(`a dialog says ${dialog.message()}`);
      dialog.dismiss().catch(() => {});
    });
    await use(page);
    expect(complaints.filter((text) => !tolerated.test(text))).toEqual([]);
  },
});

/** A panel by the beginning of its heading. */
export function panel(page: Page, title: string): Locator {
  return page.getByRole("region", { name: new RegExp(`^${title}`) });
}

/** A key figure of the overview by its label. */
export function figure(page: Page, label: string): Locator {
  return panel(page, "System overview")
    .locator(".kpi")
    .filter({ has: page.getByRole("heading", { name: label, exact: true }) });
}

/** Waits until the page says that it is kept up to date: by a stream or, as a panel to embed is, by asking. */
export async function live(page: Page): Promise<void> {
  await expect(page.locator("#live-state")).toHaveAttribute("data-state", /^(live|polling)$/, SOON);
}

/** Opens a page and waits until it is kept up to date. */
export async function openLive(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await live(page);
}
