import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ManualClock } from "../../clock.ts";
import { NOTHING } from "../../store/conformance.ts";
import type { MetricStore } from "../../store/contract.ts";
import { asIfDied } from "../../store/fixture.ts";
import { openStore } from "../../store/sqlite.ts";
import type { Deliver, Delivery } from "./deliver.ts";
import type { ToldAlert, ToldEvent } from "./event.ts";
import { type AlertsNow, Notifier, type NotifierState } from "./notifier.ts";
import { configOf, ends, fires, overload, T0 } from "./notify-fixture.ts";
import { Sender } from "./sender.ts";

const CONFIG = configOf({
  receivers: [
    { name: "pager", kind: "webhook", url: "http://pager.example" },
    { name: "am", kind: "alertmanager", url: "http://am.example" },
  ],
  routes: [
    {
      match: { worker_type: "gpu" },
      receivers: ["pager"],
      group_wait: "2s",
      group_interval: "3s",
      continue: true,
    },
    { receivers: ["pager", "am"], group_by: ["worker_type"], group_interval: "5s", repeat_interval: "1m" },
  ],
});
const RECEIVERS = CONFIG.receivers.map(({ name }) => ({
  name,
  kind: "webhook" as const,
  url: "http://x.example/",
  headers: {},
}));
const WORKERS = 4;

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ toggle: fc.nat(WORKERS - 1), type: fc.constantFrom("gpu", "cpu") }) },
  { weight: 6, arbitrary: fc.record({ wait_s: fc.integer({ min: 1, max: 70 }) }) },
  { weight: 2, arbitrary: fc.record({ quiet: fc.nat(WORKERS - 1) }) },
  { weight: 1, arbitrary: fc.constant({ restart: "stopped" as const }) },
  { weight: 1, arbitrary: fc.constant({ restart: "died" as const }) },
);
/** What becomes of attempts, one after the other: "lost" arrived, and its answer did not. */
const fates = fc.array(fc.constantFrom("taken", "taken", "failed", "lost", "hangs"), { maxLength: 40 });

test("whatever fires, ends, fails and restarts, each receiver gets each alert's events in order, at least once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), fates, async (steps, given) => {
      const folder = mkdtempSync(join(tmpdir(), "evenkeel-notify-"));
      const world = new World(folder, [...given]);
      for (const one of steps) await world.step(one);
      await world.settle();
      world.expectTold();
      await world.close();
      rmSync(folder, { recursive: true });
    }),
    { numRuns: 60 },
  );
}, 60_000);

/** A fleet's alerts, the store, the notifier and the sender, as a process has them. */
class World {
  readonly #folder: string;
  readonly #fates: string[];
  readonly #clock = new ManualClock(T0);
  readonly #firing = new Map<string, { alert: ToldAlert; fired_ms: number }>();
  readonly #quiet = new Set<string>();
  /** By alert, what the rule engine said of it. */
  readonly #said = new Map<string, string[]>();
  /** By receiver and alert, what arrived. */
  readonly #arrived = new Map<string, string[]>();
  #path: string;
  #runs = 0;
  #store!: MetricStore;
  #notifier!: Notifier;
  #sender!: Sender;

  constructor(folder: string, fates: string[]) {
    this.#folder = folder;
    this.#fates = fates;
    this.#path = join(folder, "0.db");
    this.#open();
  }

  #open(): void {
    this.#store = openStore(this.#path, { housekeeping: "inline" });
    const state = JSON.parse(this.#store.fact("notify") ?? "null") as NotifierState | null;
    this.#notifier = new Notifier(CONFIG, state, this.#store.newestMessageId() + 1);
    this.#sender = new Sender({
      outbox: this.#store,
      receivers: RECEIVERS,
      deliver: this.#deliver,
      clock: this.#clock,
      random: () => 0,
      log: () => {},
    });
    this.#sender.start();
  }

  #deliver: Deliver = async (receiver, { events }, signal) => {
    const fate = this.#fates.pop() ?? "taken";
    const failed: Delivery = { outcome: "failed", error: fate, retry_after_ms: 0 };
    if (fate === "failed") return failed;
    if (fate === "hangs") {
      await new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
        setImmediate(resolve);
      });
      return failed;
    }
    for (const { kind, fired_ms, alert } of events)
      note(this.#arrived, `${receiver.name} ${alert.id}`, kind, fired_ms);
    return fate === "lost" ? failed : { outcome: "delivered", answer: "" };
  };

  async step(one: {
    toggle?: number;
    type?: string;
    wait_s?: number;
    quiet?: number;
    restart?: "stopped" | "died";
  }): Promise<void> {
    if (one.toggle !== undefined) this.#tick([this.#toggled(one.toggle, one.type ?? "gpu")]);
    if (one.quiet !== undefined) this.#quiet.add(overload(`W${one.quiet}`).id);
    for (let s = 0; s < (one.wait_s ?? 0); s++) await this.#second();
    if (one.restart !== undefined) await this.#restart(one.restart);
  }

  /** An alert that did not fire fires, perhaps with other labels than before; one that did ends. */
  #toggled(worker: number, worker_type: string): ToldEvent {
    const now_ms = this.#clock.now();
    const alert = overload(`W${worker}`, { worker_type });
    const held = this.#firing.get(alert.id);
    if (held) {
      this.#firing.delete(alert.id);
      note(this.#said, alert.id, "resolved", held.fired_ms);
      return ends(alert, held.fired_ms, now_ms);
    }
    this.#firing.set(alert.id, { alert, fired_ms: now_ms });
    this.#quiet.delete(alert.id);
    note(this.#said, alert.id, "firing", now_ms);
    return fires(alert, now_ms);
  }

  #tick(events: ToldEvent[]): void {
    const now_ms = this.#clock.now();
    this.#notifier.take(events, now_ms);
    const alerts: AlertsNow = {
      isQuiet: (id) => this.#quiet.has(id),
      alertOf: (id) => this.#firing.get(id)?.alert,
      loud: () => [],
    };
    const messages = this.#notifier.due(now_ms, alerts);
    const state = this.#notifier.takeState();
    const facts = state === null ? {} : { notify: JSON.stringify(state) };
    this.#store.append({ ...NOTHING, at_ms: now_ms, messages, facts });
    this.#sender.add(messages);
    // Two alerts of one instant would be told apart by nothing.
    this.#clock.advance(1);
  }

  async #second(): Promise<void> {
    this.#clock.advance(1000);
    this.#tick([]);
    this.#sender.wake();
    await this.#sender.settled();
  }

  async #restart(how: "stopped" | "died"): Promise<void> {
    if (how === "died") {
      this.#runs += 1;
      this.#path = asIfDied(this.#path, join(this.#folder, `${this.#runs}.db`));
    }
    await this.#sender.close();
    await this.#store.close();
    this.#open();
  }

  /** From here on everybody takes everything. */
  async settle(): Promise<void> {
    this.#fates.length = 0;
    for (let s = 0; s < 200; s++) await this.#second();
  }

  /** What is left once what arrived again is taken out is what was said. */
  expectTold(): void {
    expect(this.#store.waitingMessages(0, 10)).toEqual([]);
    for (const [id, said] of this.#said) {
      for (const { name } of RECEIVERS) {
        const arrived = this.#arrived.get(`${name} ${id}`) ?? [];
        expect(arrived.filter((one, i) => one !== arrived[i - 1])).toEqual(said);
      }
    }
  }

  async close(): Promise<void> {
    await this.#sender.close();
    await this.#store.close();
  }
}

function note(all: Map<string, string[]>, key: string, kind: string, fired_ms: number): void {
  const list = all.get(key) ?? [];
  list.push(`${kind} ${fired_ms}`);
  all.set(key, list);
}
