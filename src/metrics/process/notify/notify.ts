import type { Clock } from "../../clock.ts";
import type { Outbox, OutboxMessage } from "../../outbox.ts";
import { createDeliver, type Deliver, type Delivery } from "./deliver.ts";
import type { ToldEvent } from "./event.ts";
import { type AlertsNow, Notifier, type NotifierState } from "./notifier.ts";
import type { NotifyConfig } from "./schema.ts";
import type { Reachable } from "./secrets.ts";
import { type ReceiverStatus, Sender } from "./sender.ts";
import { sendTest } from "./test-message.ts";

/** What is kept of it between two runs, beside the outbox. */
export interface NotifyStore extends Outbox {
  newestMessageId(): number;
  fact(name: string): string | undefined;
}

export interface NotifyOptions {
  readonly config: NotifyConfig;
  readonly reachable: Reachable;
  /** Where the dashboard is, for links: ends with a slash. */
  readonly base_url: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: (message: string) => void;
}

/** The fact that keeps the groups and who was told what. */
const STATE = "notify";

/** Who is told what of the alerts: decides at each tick what is to be told, and tells it beside the ticks. */
export class Notify {
  readonly #options: NotifyOptions;
  readonly #notifier: Notifier;
  readonly #sender: Sender;
  readonly #deliver: Deliver;

  constructor(options: NotifyOptions, store: NotifyStore) {
    const { config, reachable, base_url, clock, random, log } = options;
    this.#options = options;
    const state = JSON.parse(store.fact(STATE) ?? "null") as NotifierState | null;
    this.#notifier = new Notifier(config, state, store.newestMessageId() + 1);
    this.#deliver = createDeliver({ network: config.network, base_url });
    this.#sender = new Sender({
      outbox: store,
      receivers: reachable.receivers,
      deliver: this.#deliver,
      clock,
      random,
      log,
    });
    this.#sender.start();
  }

  /** What this tick has to keep, in one transaction with the records of its alerts. */
  step(
    events: readonly ToldEvent[],
    now_ms: number,
    alerts: AlertsNow,
  ): { messages: OutboxMessage[]; facts: Record<string, string> } {
    this.#notifier.take(events, now_ms);
    const messages = this.#notifier.due(now_ms, alerts);
    const state = this.#notifier.takeState();
    return { messages, facts: state === null ? {} : { [STATE]: JSON.stringify(state) } };
  }

  /** Sends what has become durable. */
  written(messages: readonly OutboxMessage[]): void {
    this.#sender.add(messages);
  }

  /** Sends a test to a receiver; undefined where the file names none such. */
  async test(name: string): Promise<Delivery | undefined> {
    const { reachable, clock } = this.#options;
    const receiver = reachable.receivers.find((one) => one.name === name);
    return receiver && sendTest(this.#deliver, receiver, clock.now());
  }

  status(): ReceiverStatus[] {
    return this.#sender.status();
  }

  close(): Promise<void> {
    return this.#sender.close();
  }
}
