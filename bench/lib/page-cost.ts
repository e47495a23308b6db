import { readFileSync } from "node:fs";
import type { CDPSession } from "@playwright/test";

/** Of a page whose session has `Performance` enabled: seconds, bytes and counts by the name of Chromium's metric. */
export async function metricsOf(page: CDPSession): Promise<Record<string, number>> {
  const { metrics } = await page.send("Performance.getMetrics");
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
}

/**
 * Processor time of the main threads of the browser's pages so far, milliseconds: what else runs on the machine
 * is not in it. There is one page; a renderer that the browser keeps spare does nothing.
 */
export async function mainThread_ms(browser: CDPSession): Promise<number> {
  const { processInfo } = await browser.send("SystemInfo.getProcessInfo");
  const renderers = processInfo.filter(({ type }) => type === "renderer");
  return renderers.reduce(
    (sum, { id }) => sum + Number(readFileSync(`/proc/${id}/schedstat`, "utf8").split(" ")[0]) / 1e6,
    0,
  );
}

/** What the page's scripts keep, bytes. */
export async function heapAfterCollection(page: CDPSession): Promise<number> {
  await page.send("HeapProfiler.collectGarbage");
  return (await metricsOf(page)).JSHeapUsedSize ?? Number.NaN;
}
