import type { Deliver, Delivery } from "./deliver.ts";
import type { Message } from "./message.ts";
import type { Receiver } from "./secrets.ts";

/** How long a test stands with a receiver that keeps alerts. */
const HOLDS_MS = 60_000;

/** Tells a receiver, clearly labelled, that this is a test; nothing of it is kept. */
export function sendTest(
  deliver: Deliver,
  receiver: Receiver,
  now_ms: number,
  signal?: AbortSignal,
): Promise<Delivery> {
  return deliver(receiver, testMessage(now_ms), signal ?? new AbortController().signal);
}

function testMessage(now_ms: number): Message {
  const labels = { rule: "test", severity: "notice", kind: "system" } as const;
  return {
    id: 0,
    created_ms: now_ms,
    group: "test",
    labels: { rule: "test" },
    repeat: false,
    test: true,
    firing: 1,
    holds_until_ms: now_ms + HOLDS_MS,
    events: [
      {
        kind: "firing",
        at_ms: now_ms,
        fired_ms: now_ms,
        ended_ms: null,
        alert: {
          id: "test",
          rule: "test",
          severity: "notice",
          title: "Test of Evenkeel: this receiver is reached",
          many: "",
          detail: "nothing is wrong, and nothing is to be done",
          since_ms: now_ms,
          subject: { kind: "system", id: "test" },
          labels,
        },
      },
    ],
  };
}
