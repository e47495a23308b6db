import { defineConfig } from "@playwright/test";
import { findProgram } from "./e2e/programs.ts";

const executablePath = findProgram("chromium");

export default defineConfig({
  testDir: "e2e",
  testMatch: "*.spec.ts",
  // Most tests wait for ticks rather than work; the replayed trace waits for a minute and more.
  workers: 3,
  projects: [
    { name: "browser", testIgnore: "trace.spec.ts", workers: 2 },
    { name: "trace", testMatch: "trace.spec.ts", workers: 1 },
  ],
  retries: 0,
  forbidOnly: true,
  timeout: 60_000,
  reporter: "line",
  outputDir: "test-results",
  use: {
    browserName: "chromium",
    headless: true,
    screenshot: "only-on-failure",
    trace: "retain-on-failure",
    launchOptions: {
      ...(executablePath && { executablePath }),
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
