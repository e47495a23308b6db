import { type Browser, chromium } from "@playwright/test";
import { findProgram } from "../../e2e/programs.ts";

export const VIEWPORT = { width: 1440, height: 900 };

/** The system's Chromium, without what it does in the background; `more` are flags of its command line. */
export function launchChromium(more: readonly string[] = []): Promise<Browser> {
  const executablePath = findProgram("chromium");
  if (executablePath === undefined)
    throw new Error("no Chromium found: install the package chromium, or name its executable in CHROMIUM");
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--disable-dev-shm-usage",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...more,
    ],
  });
}
