import type { Clock } from "../../clock.ts";
import { type Delivery, deliver, realSleep, type Send, type Sleep } from "../sender.ts";
import { type Demo, REPORT_EVERY_MS } from "./demo.ts";

export interface RunDemoOptions {
  /** The fleet to play, from the report on that is due next. */
  demo: Demo;
  send: Send;
  clock: Clock;
  /** Ends the demo. */
  signal: AbortSignal;
  sleep?: Sleep | undefined;
  /** After a break that was too long to catch up, the fleet that is played instead. */
  onRestart?: ((demo: Demo) => void) | undefined;
  onDelivery?: ((delivery: Delivery) => void) | undefined;
  /** Nothing answered, or the reports were refused as such; they are sent again. */
  onError?: ((error: unknown) => void) | undefined;
}

/** After a break this long (a laptop that slept) a new fleet begins: nobody needs the seconds that were missed. */
const LONGEST_CATCH_UP_MS = 60_000;
const PAUSE_AFTER_ERROR_MS = 2000;

/** Plays a demo fleet in real time, one report a second, until the signal aborts. */
export async function runDemo(options: RunDemoOptions): Promise<void> {
  const { clock, signal, sleep = realSleep } = options;
  let { demo } = options;
  let unsent: string[] = [];
  while (!signal.aborted) {
    const now_ms = clock.now();
    if (now_ms - demo.due_ms + unsent.length * REPORT_EVERY_MS > LONGEST_CATCH_UP_MS) {
      demo = demo.again(now_ms);
      unsent = [];
      options.onRestart?.(demo);
    }
    unsent.push(...demo.reportsUntil(now_ms).map((report) => JSON.stringify(report)));
    const sent = await trySending(unsent, options);
    if (sent) unsent = [];
    await sleep(sent ? Math.max(0, demo.due_ms - clock.now()) : PAUSE_AFTER_ERROR_MS, signal);
  }
}

async function trySending(lines: readonly string[], options: RunDemoOptions): Promise<boolean> {
  if (lines.length === 0) return true;
  try {
    const delivery = await deliver(options.send, lines, options);
    options.onDelivery?.(delivery);
    return true;
  } catch (error) {
    options.onError?.(error);
    return false;
  }
}
