import type { Clock } from "../../clock.ts";
import type { NewMessage, Outbox, OutboxAttempt, ReceiverStatus } from "../../outbox.ts";
import type { Deliver, Delivery } from "./deliver.ts";
import { fromDocument } from "./message.ts";
import { isReached, nextOf, pauseAfter, soonest_ms, type Waiting, waiting } from "./queue.ts";
import type { Receiver } from "./secrets.ts";

export interface SenderOptions {
  readonly outbox: Outbox;
  readonly receivers: readonly Receiver[];
  readonly deliver: Deliver;
  readonly clock: Clock;
  /** From 0 to before 1. */
  readonly random: () => number;
  /** What a person should know of, such as an outbox that can't be written. */
  readonly log: (message: string) => void;
}

const MAX_SENDING = 2;
/** Messages that wait for one receiver; beyond it the oldest give way. */
export const MAX_WAITING = 5000;
/** Characters of their texts. */
const MAX_WAITING_SIZE = 64 * 2 ** 20;
/** A message that nobody took for so long tells nobody anything any more. */
const MAX_AGE_MS = 3 * 86_400_000;
/** Read at once when the queues are built after a start. */
const PAGE = 50;
/** An outbox that could not be written is tried again. */
const NOTE_AGAIN_MS = 1000;
/** The timer looks again after so long at the latest: a clock may be set. */
const LOOK_AGAIN_MS = 30_000;

/**
 * Tells receivers what is in the outbox, beside the ticks: each receiver for itself, of each alert and of each group
 * one message after the other, and each until it is taken or refused.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #lanes: ReadonlyMap<string, Lane>;
  #timer: NodeJS.Timeout | null = null;
  #running = false;
  #closed = false;

  constructor(options: SenderOptions) {
    this.#options = options;
    const wake = () => this.wake();
    this.#lanes = new Map(
      options.receivers.map((receiver) => [receiver.name, new Lane(receiver, options, wake)]),
    );
  }

  /** Goes on with what an earlier run left in the outbox. */
  start(): void {
    const { outbox, clock } = this.#options;
    if (this.#closed) return;
    this.#running = true;
    for (let after = 0; ; ) {
      const records = outbox.waitingMessages(after, PAGE);
      const last = records.at(-1);
      if (!last) break;
      after = last.id;
      for (const record of records) {
        const lane = this.#lanes.get(record.receiver);
        if (lane) lane.add(waiting(record));
        else {
          const error = "the alerts file names no such receiver any more";
          outbox.noteAttempt(record.id, { at_ms: clock.now(), error, next_ms: null, outcome: "given_up" });
        }
      }
    }
    this.wake();
  }

  /** What has just become durable goes out at once; before the start it waits for that. */
  add(messages: readonly NewMessage[]): void {
    if (!this.#running) return;
    const fresh = { attempts: 0, tried_ms: null, next_ms: null, error: null, outcome: null, ended_ms: null };
    for (const { keys, ...message } of messages) {
      this.#lanes.get(message.receiver)?.add(waiting({ ...message, ...fresh }, keys));
    }
    if (messages.length > 0) this.wake();
  }

  /** Begins whatever may be sent now. */
  wake(): void {
    if (!this.#running) return;
    for (const lane of this.#lanes.values()) lane.send();
    if (this.#timer) clearTimeout(this.#timer);
    const now_ms = this.#options.clock.now();
    const next_ms = Math.min(...Array.from(this.#lanes.values(), (lane) => lane.wakesAt_ms()));
    const wait_ms = Math.min(LOOK_AGAIN_MS, Math.max(1, next_ms - now_ms));
    this.#timer = next_ms === Number.POSITIVE_INFINITY ? null : setTimeout(() => this.wake(), wait_ms);
    this.#timer?.unref();
  }

  status(): ReceiverStatus[] {
    return Array.from(this.#lanes.values(), (lane) => lane.status());
  }

  /** Resolves once nothing is on its way, however that ends. */
  async settled(): Promise<void> {
    const sending = () => Array.from(this.#lanes.values(), (lane) => [...lane.sending]).flat();
    while (sending().length > 0) await Promise.all(sending());
  }

  /** Breaks off what is on its way; it is sent again after the next start. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#running = false;
    if (this.#timer) clearTimeout(this.#timer);
    for (const lane of this.#lanes.values()) lane.close();
    await this.settled();
  }
}

/** The messages of one receiver. */
class Lane {
  readonly sending = new Set<Promise<void>>();
  readonly #receiver: Receiver;
  readonly #options: SenderOptions;
  readonly #wake: () => void;
  readonly #abort = new AbortController();
  #queue: Waiting[] = [];
  /** Characters of the texts of what waits. */
  #size = 0;
  /** What became of messages and could not be written yet. */
  #unnoted: { id: number; attempt: OutboxAttempt }[] = [];
  /** Attempts in a row that reached nobody. */
  #failures = 0;
  #failing_since_ms: number | null = null;
  #delivered_ms: number | null = null;
  #last_error: string | null = null;
  /** Nothing is tried before. */
  #resumes_ms = 0;

  constructor(receiver: Receiver, options: SenderOptions, wake: () => void) {
    this.#receiver = receiver;
    this.#options = options;
    this.#wake = wake;
  }

  add(message: Waiting): void {
    this.#queue.push(message);
    this.#size += message.size;
    while (this.#queue.length > MAX_WAITING || this.#size > MAX_WAITING_SIZE) {
      const oldest = this.#queue.find((one) => !one.sending && one !== message);
      if (!oldest) return;
      this.#giveUp(oldest, "it gave way: too many younger messages waited for this receiver");
    }
  }

  send(): void {
    const now_ms = this.#options.clock.now();
    this.#noteRest();
    if (!isReached(this.#resumes_ms, now_ms)) return;
    while (this.sending.size < this.#limit && this.#unnoted.length === 0) {
      const message = nextOf(this.#queue, now_ms);
      if (!message) return;
      const attempt = this.#attempt(message).finally(() => {
        this.sending.delete(attempt);
        this.#wake();
      });
      this.sending.add(attempt);
    }
  }

  /** A receiver that is down is tried with one message at a time. */
  get #limit(): number {
    return this.#failures > 0 ? 1 : MAX_SENDING;
  }

  async #attempt(message: Waiting): Promise<void> {
    const { outbox, deliver } = this.#options;
    message.sending = true;
    let delivery: Delivery;
    try {
      const record = outbox.message(message.id);
      if (!record || record.ended_ms !== null) return this.#remove(message);
      delivery = await deliver(this.#receiver, fromDocument(record), this.#abort.signal);
    } catch (error) {
      delivery = { outcome: "failed", error: (error as Error).message, retry_after_ms: 0 };
    }
    message.sending = false;
    // What was broken off is as if it had not begun.
    if (!this.#abort.signal.aborted) this.#settle(message, delivery);
  }

  #settle(message: Waiting, delivery: Delivery): void {
    const { clock, random } = this.#options;
    const at_ms = clock.now();
    message.attempts += 1;
    if (delivery.outcome === "failed") {
      const { error, retry_after_ms } = delivery;
      message.next_ms = at_ms + Math.max(retry_after_ms, pauseAfter(message.attempts, random()));
      this.#failures += 1;
      this.#failing_since_ms ??= at_ms;
      this.#last_error = error;
      this.#resumes_ms = at_ms + Math.max(retry_after_ms, pauseAfter(this.#failures, random()));
      if (at_ms - message.created_ms > MAX_AGE_MS) {
        this.#giveUp(message, `nobody took it within ${MAX_AGE_MS / 86_400_000} days`);
      } else this.#note(message.id, { at_ms, error, next_ms: message.next_ms, outcome: null });
      return;
    }
    this.#failures = 0;
    this.#failing_since_ms = null;
    this.#resumes_ms = 0;
    this.#remove(message);
    const { outcome } = delivery;
    if (delivery.outcome === "delivered") this.#delivered_ms = at_ms;
    const error = delivery.outcome === "refused" ? delivery.error : null;
    this.#last_error = error;
    this.#note(message.id, { at_ms, error, next_ms: null, outcome });
  }

  #giveUp(message: Waiting, why: string): void {
    const at_ms = this.#options.clock.now();
    this.#remove(message);
    const error = this.#last_error === null ? why : `${why}; the last error: ${this.#last_error}`;
    this.#note(message.id, { at_ms, error, next_ms: null, outcome: "given_up" });
  }

  #remove(message: Waiting): void {
    const at = this.#queue.indexOf(message);
    if (at === -1) return;
    this.#queue.splice(at, 1);
    this.#size -= message.size;
  }

  #note(id: number, attempt: OutboxAttempt): void {
    this.#unnoted.push({ id, attempt });
    this.#noteRest();
  }

  /** While the outbox can't be written nothing more is sent: after a restart it would be sent once more. */
  #noteRest(): void {
    const { outbox, log } = this.#options;
    try {
      for (let first = this.#unnoted[0]; first; first = this.#unnoted[0]) {
        outbox.noteAttempt(first.id, first.attempt);
        this.#unnoted.shift();
      }
    } catch (error) {
      log(`the outbox can't be written: ${(error as Error).message}`);
    }
  }

  /** When there may be something to send. */
  wakesAt_ms(): number {
    if (this.#unnoted.length > 0) return this.#options.clock.now() + NOTE_AGAIN_MS;
    // The end of what is on its way wakes the sender too.
    if (this.sending.size >= this.#limit) return Number.POSITIVE_INFINITY;
    return Math.max(soonest_ms(this.#queue), this.#resumes_ms);
  }

  status(): ReceiverStatus {
    const { name, kind } = this.#receiver;
    const next_ms = this.wakesAt_ms();
    return {
      name,
      kind,
      waiting: this.#queue.length,
      delivered_ms: this.#delivered_ms,
      failing_since_ms: this.#failing_since_ms,
      last_error: this.#last_error,
      next_ms: Number.isFinite(next_ms) ? next_ms : null,
    };
  }

  close(): void {
    this.#abort.abort();
  }
}
