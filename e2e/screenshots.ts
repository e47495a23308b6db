import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "@playwright/test";
import config from "../playwright.config.ts";
import { pathSegment } from "../src/views/identity.ts";
import { PAGES } from "../src/views/registry.ts";
import { startServer } from "./server.ts";

// `npm run screenshots`: README's pictures of the main dashboard, of the demo fleet with something wrong, and, in a
// folder that is no part of the project, every page wide and narrow, light and dark.

const FOLDER = fileURLToPath(new URL("../docs/", import.meta.url));
const PAGES_FOLDER = fileURLToPath(new URL("../screenshots/", import.meta.url));
const SIZES = { wide: { width: 1440, height: 900 }, narrow: { width: 390, height: 844 } };
/** The demo's script of faults leaves no longer calm than this. */
const LONGEST_CALM_MS = 150_000;

const PICTURES = [
  { name: "main-light", width: 1440, height: 900, colorScheme: "light" },
  { name: "main-dark", width: 1440, height: 900, colorScheme: "dark" },
  { name: "main-phone", width: 390, height: 844, colorScheme: "light" },
] as const;

/** The address of every page, each about something that there is. */
async function addresses(url: string): Promise<string[]> {
  const data = async (path: string) => (await fetch(url + path)).json();
  const { workers } = await data("api/metrics/workers");
  const { tasks } = await data("api/metrics/tasks?status=running");
  const [task] = tasks;
  const subjects: Record<string, string> = {
    worker_id: Object.keys(workers)[0]!,
    task_id: task.id,
    task_type: task.type,
    model_family: task.model_family,
  };
  const paths = PAGES.map(({ path }) =>
    path.slice(1).replace(/:(\w+)/g, (_, name: string) => pathSegment(subjects[name]!)),
  );
  return [...paths, "settings", "?at=-30s", "search?q=gpu", "?worker_type=gpu&kiosk", "no/such/page"];
}

const server = await startServer({ env: { EVENKEEL_DEMO: "on" } });
const browser = await chromium.launch(config.use?.launchOptions);
try {
  mkdirSync(FOLDER, { recursive: true });
  for (const { name, width, height, colorScheme } of PICTURES) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme });
    await page.goto(server.url);
    await page.locator("#p-alerts li").first().waitFor({ timeout: LONGEST_CALM_MS });
    await page.locator("html:not(.stale)").waitFor();
    await page.screenshot({ path: join(FOLDER, `${name}.png`) });
    console.log(`docs/${name}.png`);
    await page.close();
  }
  mkdirSync(PAGES_FOLDER, { recursive: true });
  for (const address of await addresses(server.url)) {
    for (const [size, viewport] of Object.entries(SIZES)) {
      for (const colorScheme of ["light", "dark"] as const) {
        const page = await browser.newPage({ viewport, colorScheme });
        await page.goto(server.url + address);
        await page
          .locator("#live-state[data-state=live], #live-state[data-state=polling], #past, main.error")
          .first()
          .waitFor();
        await page.locator("html:not(.stale)").waitFor();
        const name = `${address.replace(/[^\w]+/g, "-").replace(/^-|-$/g, "") || "overview"}-${size}-${colorScheme}`;
        await page.screenshot({ path: join(PAGES_FOLDER, `${name}.png`), fullPage: true });
        console.log(`screenshots/${name}.png`);
        await page.close();
      }
    }
  }
} finally {
  await browser.close();
  await server.stop();
}
