import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "@playwright/test";
import config from "../playwright.config.ts";
import { startServer } from "./server.ts";

// `npm run screenshots`: README's pictures of the main dashboard, of the demo fleet with something wrong.

const FOLDER = fileURLToPath(new URL("../docs/", import.meta.url));
/** The demo's script of faults leaves no longer calm than this. */
const LONGEST_CALM_MS = 150_000;

const PICTURES = [
  { name: "main-light", width: 1440, height: 900, colorScheme: "light" },
  { name: "main-dark", width: 1440, height: 900, colorScheme: "dark" },
  { name: "main-phone", width: 390, height: 844, colorScheme: "light" },
] as const;

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
} finally {
  await browser.close();
  await server.stop();
}
