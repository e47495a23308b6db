import type { Clock } from "../../clock.ts";
import { type Delivery, deliver, realSleep, type Send, type Sleep } from "../sender.ts";
import { createDemo, type Demo, type DemoOptions, REPORT_EVERY_MS } from "./demo.ts";

export interface RunDemoOptions extends Omit<DemoOptions, "start_ms"> {
  send: Send;
  clock: Clock;
  /** Ends the demo. */
  signal: AbortSignal;
  sleep?: Sleep | undefined;
  /** Each fleet that is started: the first, and one more after each longer break. */
  onStart?: ((demo: Demo) => void) | undefined;
  onDelivery?: ((delivery: Delivery) => void) | undefined;
  /** Nothing answered, or the reports were refused as such; it is tried again. */
  onError?: ((error: unknown) => void) | undefined;
}

/** After a break this long (a laptop that slept) a new fleet begins: nobody needs the seconds that were missed. */
const LONGEST_CATCH_UP_MS = 60_000;
const PAUSE_AFTER_ERROR_MS = 2000;

/** Plays the demo fleet in real time, one report a second, until the signal aborts. */
export async function runDemo(options: RunDemoOptions): Promise<void> {
  const { clock, signal, sleep = realSleep } = options;
  while (!signal.aborted) {
    const start_ms = clock.now();
    const demo = createDemo({ ...options, start_ms });
    options.onStart?.(demo);
    await playFrom(start_ms, demo, { ...options, sleep });
  }
}

/** Sends what is due until the signal aborts or time has run away. */
async function playFrom(
  start_ms: number,
  demo: Demo,
  options: RunDemoOptions & { sleep: Sleep },
): Promise<void> {
  const { clock, signal, sleep } = options;
  let sent_until_ms = start_ms - REPORT_EVERY_MS;
  let unsent: string[] = [];
  while (!signal.aborted) {
    const now_ms = clock.now();
    if (now_ms - sent_until_ms > LONGEST_CATCH_UP_MS) return;
    unsent.push(...demo.reportsUntil(now_ms).map((report) => JSON.stringify(report)));
    if (await trySending(unsent, options)) {
      sent_until_ms += unsent.length * REPORT_EVERY_MS;
      unsent = [];
      await sleep(Math.max(0, sent_until_ms + REPORT_EVERY_MS - clock.now()), signal);
    } else {
      await sleep(PAUSE_AFTER_ERROR_MS, signal);
    }
  }
}

async function trySending(lines: readonly string[], options: RunDemoOptions): Promise<boolean> {
  if (lines.length === 0) return true;
  try {
    options.onDelivery?.(await deliver(options.send, lines, options));
    return true;
  } catch (error) {
    options.onError?.(error);
    return false;
  }
}
