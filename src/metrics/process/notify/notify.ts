import { EvenkeelError } from "../../../errors.ts";
import type { Clock } from "../../clock.ts";
import type {
  MessageSummary,
  NewMessage,
  Outbox,
  OutboxRecord,
  ReceiverTest,
  Telling,
} from "../../outbox.ts";
import { createDeliver, type Deliver } from "./deliver.ts";
import type { ToldEvent } from "./event.ts";
import { fromDocument } from "./message.ts";
import { type AlertsNow, Notifier, type NotifierState } from "./notifier.ts";
import type { NotifyConfig } from "./schema.ts";
import type { Reachable, Receiver } from "./secrets.ts";
import { Sender } from "./sender.ts";
import { sendTest } from "./test-message.ts";
import { countsOf, titleOf } from "./text.ts";

/** What is kept of it between two runs, beside the outbox. */
export interface NotifyStore extends Outbox {
  newestMessageId(): number;
  endedMessages(limit: number): OutboxRecord[];
  fact(name: string): string | undefined;
}

/** What the alerts file says of it, with the secrets that it takes. */
export interface NotifyPlan {
  readonly config: NotifyConfig;
  readonly reachable: Reachable;
}

export interface NotifyOptions {
  /** Where the dashboard is, for links: ends with a slash. */
  readonly base_url: () => string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: (message: string) => void;
}

/** The fact that keeps the groups and who was told what. */
const STATE = "notify";
/** While somebody watches, messages are read again after so long. */
const LISTS_MS = 3000;

/** Who is told what of the alerts: decides at each tick what is to be told, and tells it beside the ticks. */
export class Notify {
  readonly #options: NotifyOptions;
  readonly #store: NotifyStore;
  #plan: NotifyPlan;
  #deliver: Deliver;
  #notifier: Notifier;
  #sender: Sender;
  /** Whether the present routes know of what fired before they were there. */
  #adopted = false;
  #started = false;
  /** By receiver, what came of its last test, and those that are under way. */
  readonly #tests = new Map<string, ReceiverTest>();
  readonly #testing = new Map<string, Promise<ReceiverTest>>();
  #lists: (Pick<Telling, "waiting" | "ended"> & { readonly limit: number; readonly at_ms: number }) | null =
    null;

  constructor(plan: NotifyPlan, options: NotifyOptions, store: NotifyStore) {
    this.#options = options;
    this.#store = store;
    this.#plan = plan;
    const state = JSON.parse(store.fact(STATE) ?? "null") as NotifierState | null;
    this.#notifier = new Notifier(plan.config, state, store.newestMessageId() + 1);
    this.#deliver = this.#createDeliver();
    this.#sender = this.#createSender();
  }

  /** Sends from now on, first what waits of an earlier run: not before it is known where the links lead. */
  start(): void {
    this.#started = true;
    this.#sender.start();
  }

  #createDeliver(): Deliver {
    const { base_url } = this.#options;
    return createDeliver({ network: this.#plan.config.network, base_url });
  }

  #createSender(): Sender {
    const { clock, random, log } = this.#options;
    const { receivers } = this.#plan.reachable;
    return new Sender({ outbox: this.#store, receivers, deliver: this.#deliver, clock, random, log });
  }

  /** Other receivers and routes from now on; what is on its way is broken off and sent again. */
  async replace(plan: NotifyPlan): Promise<void> {
    this.#plan = plan;
    this.#tests.clear();
    this.#notifier = new Notifier(plan.config, this.#notifier.state(), 1);
    this.#adopted = false;
    const former = this.#sender;
    this.#deliver = this.#createDeliver();
    const sender = this.#createSender();
    this.#sender = sender;
    await former.close();
    if (this.#started) sender.start();
  }

  /** What this tick has to keep, in one transaction with the records of its alerts. */
  step(
    events: readonly ToldEvent[],
    now_ms: number,
    alerts: AlertsNow,
  ): { messages: NewMessage[]; facts: Record<string, string> } {
    this.#notifier.take(events, now_ms);
    if (!this.#adopted) this.#notifier.adopt(alerts, now_ms);
    this.#adopted = true;
    const messages = this.#notifier.due(now_ms, alerts);
    const state = this.#notifier.takeState();
    return { messages, facts: state === null ? {} : { [STATE]: JSON.stringify(state) } };
  }

  /** Sends what has become durable. */
  written(messages: readonly NewMessage[]): void {
    this.#sender.add(messages);
  }

  /**
   * Sends a test to a receiver, one at a time: whoever asks meanwhile gets the same answer.
   *
   * @throws EvenkeelError "not_found" where the file names none such
   */
  async test(name: string): Promise<ReceiverTest> {
    const { receivers } = this.#plan.reachable;
    const receiver = receivers.find((one) => one.name === name);
    if (!receiver) {
      const names = receivers.map((one) => one.name);
      const there = names.length === 0 ? "it names none" : `there are ${names.join(", ")}`;
      throw new EvenkeelError(
        "not_found",
        `The file of alerts names no receiver ${JSON.stringify(name.slice(0, 80))}; ${there}`,
        { details: { receivers: names } },
      );
    }
    let test = this.#testing.get(name);
    if (!test) {
      test = this.#tested(receiver).finally(() => this.#testing.delete(name));
      this.#testing.set(name, test);
    }
    return test;
  }

  async #tested(receiver: Receiver): Promise<ReceiverTest> {
    const { clock } = this.#options;
    const began_ms = clock.now();
    const delivery = await sendTest(this.#deliver, receiver, began_ms);
    const at_ms = clock.now();
    const took = `${Math.round(at_ms - began_ms)} ms`;
    const ok = delivery.outcome === "delivered";
    const detail = ok
      ? `took it in ${took}: ${delivery.answer}`
      : `did not take it, ${took}: ${delivery.error}`;
    const test = { at_ms, ok, detail };
    this.#tests.set(receiver.name, test);
    return test;
  }

  /** @param limit messages of each list at most */
  telling(limit: number): Telling {
    const { waiting, ended } = this.#listsOf(limit);
    const receivers = this.#sender
      .status()
      .map((status) => ({ ...status, test: this.#tests.get(status.name) ?? null }));
    return { receivers, waiting, ended };
  }

  #listsOf(limit: number): Pick<Telling, "waiting" | "ended"> {
    const at_ms = this.#options.clock.now();
    const kept = this.#lists;
    if (kept?.limit === limit && at_ms >= kept.at_ms && at_ms - kept.at_ms < LISTS_MS) return kept;
    const waiting = this.#store.waitingMessages(0, limit).map(summaryOf);
    const ended = this.#store.endedMessages(limit).map(summaryOf);
    this.#lists = { waiting, ended, limit, at_ms };
    return this.#lists;
  }

  close(): Promise<void> {
    return this.#sender.close();
  }
}

function summaryOf(record: OutboxRecord): MessageSummary {
  const { document: _, ...rest } = record;
  const message = fromDocument(record);
  return { ...rest, title: titleOf(message), what: countsOf(message) };
}
