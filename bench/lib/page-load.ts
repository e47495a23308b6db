import { fileURLToPath } from "node:url";
import type { Browser, CDPSession } from "@playwright/test";
import { sleep } from "./bench.ts";
import { VIEWPORT } from "./browser.ts";

export const PROBE = fileURLToPath(new URL("./page-probe.js", import.meta.url));
/** What a stream brings within this time of its first bytes is its first picture. */
export const FIRST_PICTURE_MS = 250;

/** Something that a page asked for. */
export interface Request {
  readonly url: URL;
  isStream: boolean;
  /** Of what is on the wire: when it arrived, in seconds of the browser's clock, and how much; heads come last. */
  readonly arrivals: { at_s: number; bytes: number }[];
}

/** What the probe tells of a document; a page without content to paint has no paints. */
interface Paints {
  readonly largest_paint_ms?: number;
  readonly largest_paint_of?: string;
  readonly first_paint_ms?: number;
  readonly response_ms?: number;
  /** When what was awaited was in the document. */
  readonly data_ms?: number;
}

export interface Load extends Paints {
  readonly requests: readonly Request[];
}

/**
 * Loads the page in a new context: nothing is cached, nothing connected. Closed `settle_ms` after its load.
 * @param awaited a CSS selector of what `data_ms` is the time of
 */
export async function load(
  browser: Browser,
  url: string,
  settle_ms: number,
  awaited?: string,
): Promise<Load> {
  const context = await browser.newContext({ viewport: VIEWPORT });
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  const requests = await watchRequests(cdp);
  await cdp.send("Network.clearBrowserCache");
  const documents = new Map<number, Paints>();
  await page.exposeFunction(
    "evenkeelPainted",
    ({ document_ms, ...paints }: Paints & { document_ms: number }) =>
      documents.set(document_ms, { ...documents.get(document_ms), ...paints }),
  );
  await page.addInitScript(`window.evenkeelAwaited = ${JSON.stringify(awaited ?? null)}`);
  await page.addInitScript({ path: PROBE });
  await page.goto(url);
  await sleep(settle_ms);
  await context.close();
  // Some pages load themselves again meanwhile: that is no first load.
  const first = documents.get(Math.min(...documents.keys()));
  return { ...first, requests };
}

/** Collects what a page asks for from now on, in the order in which it does. */
async function watchRequests(cdp: CDPSession): Promise<readonly Request[]> {
  const requests: Request[] = [];
  const by_id = new Map<string, Request>();
  cdp.on("Network.requestWillBeSent", ({ requestId, request }) => {
    // A picture within the style sheet asks nobody.
    if (!/^(http|ws)/.test(request.url)) return;
    const sent = { url: new URL(request.url), isStream: false, arrivals: [] };
    requests.push(sent);
    by_id.set(requestId, sent);
  });
  cdp.on("Network.responseReceived", ({ requestId, response }) => {
    const request = by_id.get(requestId);
    if (request) request.isStream = response.mimeType === "text/event-stream";
  });
  cdp.on("Network.dataReceived", ({ requestId, timestamp, encodedDataLength }) => {
    by_id.get(requestId)?.arrivals.push({ at_s: timestamp, bytes: encodedDataLength });
  });
  cdp.on("Network.loadingFinished", ({ requestId, timestamp, encodedDataLength }) => {
    const request = by_id.get(requestId);
    request?.arrivals.push({ at_s: timestamp, bytes: encodedDataLength - bytesOf(request) });
  });
  await cdp.send("Network.enable");
  return requests;
}

/** Heads are in it once it has ended. */
export function bytesOf({ arrivals }: Request): number {
  return sumOf(arrivals);
}

export function firstPicture_bytes({ arrivals }: Request): number {
  const until_s = (arrivals[0]?.at_s ?? 0) + FIRST_PICTURE_MS / 1000;
  return sumOf(arrivals.filter(({ at_s }) => at_s <= until_s));
}

/** Of all requests, what arrived later than this after the first arrival. */
export function bytesAfter(requests: readonly Request[], wait_ms: number): number {
  const arrivals = requests.flatMap((request) => request.arrivals);
  const from_s = Math.min(...arrivals.map(({ at_s }) => at_s)) + wait_ms / 1000;
  return sumOf(arrivals.filter(({ at_s }) => at_s > from_s));
}

function sumOf(arrivals: Request["arrivals"]): number {
  return arrivals.reduce((sum, { bytes }) => sum + bytes, 0);
}
