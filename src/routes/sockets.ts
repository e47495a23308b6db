import type { WebSocket } from "ws";
import { EvenkeelError } from "../errors.ts";
import type { Read } from "../metrics/read.ts";
import type { Panel } from "../views/panel.ts";
import { problemOf } from "./answers.ts";
import { messageOf, type Subscription } from "./channels.ts";
import type { PanelRequest } from "./params.ts";
import type { Topics } from "./topics.ts";

export interface SocketLimits {
  /** Subscriptions of one connection. */
  readonly max_panels: number;
  /** Distinct subscriptions of all connections. */
  readonly max_channels: number;
  /** A client that took nothing for so long is dropped, milliseconds. */
  readonly stuck_ms: number;
}

interface SocketsOptions {
  read: () => Read;
  topics: Topics;
  limits: SocketLimits;
  prepared: (requests: readonly PanelRequest[]) => Promise<void>;
  /** Others have their turn where they have waited for long. */
  turn: () => Promise<void>;
  /** Counts one more viewer until what it returns is called. @throws EvenkeelError where there are too many */
  enter: () => () => void;
  /** Counts a limit that was reached. */
  reached: (limit: string) => void;
}

/** Messages of one client within one tick; one that sends more has lost its way. */
const MAX_MESSAGES_A_TICK = 100;
/** What may wait for a client that is answered; one that asks on and takes no answer is dropped. */
const MAX_WAITING_BYTES = 65_536;
/** A connection that did not answer the ping before the next one is dead. */
const PING_EVERY_MS = 30_000;
/** How long clients have to answer that they are closed at the end, milliseconds. */
const CLOSE_WITHIN_MS = 1_000;

// RFC 6455, 7.4.1.
const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;
const TRY_AGAIN_LATER = 1013;

/** How the connections are doing, for the health page. */
interface SocketsHealth {
  readonly dropped: number;
  readonly skipped: number;
  readonly bytes_out: number;
}

/**
 * The viewers that are connected by WebSocket. Each gets a frame of whatever it subscribed to, at once and then
 * each tick: the same bytes as all others who did. Nothing is queued for one that is slow; its next frame is the
 * newest.
 */
export class Sockets {
  readonly #options: SocketsOptions;
  readonly #feeds = new Map<string, Feed>();
  readonly #clients = new Set<Client>();
  #closed: (() => void) | null = null;
  readonly #health = { dropped: 0, skipped: 0, bytes_out: 0 };

  constructor(options: SocketsOptions) {
    this.#options = options;
  }

  /**
   * @param panels those that can be subscribed to
   * @param subscriptions what to send from the start on; where one is refused the client is told and closed
   */
  join(socket: WebSocket, panels: readonly Panel[], subscriptions: () => readonly Subscription[]): void {
    let leave: () => void;
    try {
      if (this.#closed) throw new EvenkeelError("unavailable", "Evenkeel is stopping");
      leave = this.#options.enter();
    } catch (error) {
      socket.on("error", () => {});
      socket.close(TRY_AGAIN_LATER, error instanceof EvenkeelError ? error.message : undefined);
      return;
    }
    const client = new Client(socket, this.#options.read());
    this.#clients.add(client);
    socket.on("error", () => {});
    socket.on("pong", () => {
      client.answered = true;
    });
    socket.on("close", () => {
      if (!this.#clients.delete(client)) return;
      for (const feed of client.feeds.keys()) this.#unsubscribe(client, feed);
      leave();
      if (this.#clients.size === 0) this.#closed?.();
    });
    socket.on("message", (data, isBinary) => this.#take(client, panels, isBinary ? null : String(data)));
    client.next(async () => {
      try {
        for (const subscription of subscriptions()) await this.#subscribe(client, subscription);
      } catch (error) {
        this.#say(client, { error: problemOf(error) });
        socket.close(POLICY_VIOLATION, "refused: the frame before this says why");
      }
    });
  }

  /** Called once after each tick. */
  async publish(): Promise<void> {
    const { read, turn } = this.#options;
    for (const client of this.#clients) {
      if (!this.#isAlive(client, read().now_ms)) continue;
      for (const feed of client.feeds.keys()) {
        await turn();
        this.#send(client, feed, read());
      }
    }
  }

  health(): SocketsHealth {
    return this.#health;
  }

  /** Tells every client that this is the end; resolves when all have gone, or were cut off. */
  close(): Promise<void> {
    const gone = new Promise<void>((resolve) => {
      this.#closed = resolve;
    });
    for (const { socket } of this.#clients) socket.close(GOING_AWAY, "Evenkeel is stopping");
    if (this.#clients.size === 0) return Promise.resolve();
    const timer = setTimeout(() => {
      for (const { socket } of this.#clients) socket.terminate();
    }, CLOSE_WITHIN_MS);
    return gone.finally(() => clearTimeout(timer));
  }

  #take(client: Client, panels: readonly Panel[], text: string | null): void {
    client.answered = true;
    if (client.messagesAt(this.#options.read()) > MAX_MESSAGES_A_TICK) {
      this.#options.reached("max_messages_a_tick");
      client.socket.close(POLICY_VIOLATION, `at most ${MAX_MESSAGES_A_TICK} messages a tick`);
      return;
    }
    client.next(async () => {
      let channel: string | undefined;
      try {
        if (text === null) throw new EvenkeelError("invalid", "A message must be text; got bytes");
        const message = messageOf(text, panels);
        if (message.action === "ping") {
          this.#say(client, { action: "pong", at_ms: this.#options.read().now_ms });
          return;
        }
        const { action, subscription } = message;
        channel = subscription.channel;
        if (action === "subscribe") await this.#subscribe(client, subscription);
        else this.#end(client, subscription);
      } catch (error) {
        this.#say(client, { ...(channel !== undefined && { channel }), error: problemOf(error) });
      }
    });
  }

  async #subscribe(client: Client, subscription: Subscription): Promise<void> {
    const { prepared, read, topics } = this.#options;
    await prepared([subscription.request]);
    if (!this.#clients.has(client)) return;
    const feed = this.#feeds.get(subscription.key) ?? new Feed(subscription, topics);
    if (!client.feeds.has(feed)) {
      this.#checkRoom(client, feed);
      // What fails now is refused; what fails later is told each tick.
      feed.load();
      this.#feeds.set(feed.key, feed);
      feed.viewers++;
    }
    client.feeds.set(feed, null);
    if (client.takes(read().now_ms)) this.#send(client, feed, read());
  }

  #checkRoom({ feeds }: Client, { viewers }: Feed): void {
    const { max_panels, max_channels } = this.#options.limits;
    if (feeds.size >= max_panels) {
      throw this.#refuse(
        "max_subscriptions",
        max_panels,
        "of one connection; unsubscribe from another first",
      );
    }
    if (viewers === 0 && this.#feeds.size >= max_channels) {
      throw this.#refuse(
        "max_channels",
        max_channels,
        "distinct ones at once; try again when others have left",
      );
    }
  }

  #refuse(limit: string, value: number, rest: string): EvenkeelError {
    this.#options.reached(limit);
    return new EvenkeelError("too_many", `Subscriptions must be at most ${value} ${rest} (${limit})`, {
      details: { limit, value },
    });
  }

  #end(client: Client, { key, channel, params }: Subscription): void {
    const feed = this.#feeds.get(key);
    if (!feed || !client.feeds.has(feed)) {
      throw new EvenkeelError(
        "not_found",
        "Field channel: must be one that this connection is subscribed to, with the same params",
        { details: { field: "channel" } },
      );
    }
    this.#unsubscribe(client, feed);
    this.#say(client, { action: "unsubscribed", channel, ...paramsIn(params) });
  }

  #unsubscribe(client: Client, feed: Feed): void {
    client.feeds.delete(feed);
    feed.viewers--;
    if (feed.viewers === 0) this.#feeds.delete(feed.key);
  }

  #send(client: Client, feed: Feed, read: Read): void {
    if (client.feeds.get(feed) === read) return;
    client.feeds.set(feed, read);
    const bytes = feed.frame(read);
    this.#health.bytes_out += bytes.length;
    client.socket.send(bytes, { binary: false });
  }

  /** An answer to one client. */
  #say(client: Client, body: Readonly<Record<string, unknown>>): void {
    const text = JSON.stringify(body);
    if (client.socket.bufferedAmount + text.length > MAX_WAITING_BYTES) {
      this.#drop(client);
      return;
    }
    this.#health.bytes_out += text.length;
    client.socket.send(text);
  }

  /** Whether it can be sent to at this tick; one that took nothing for long is dropped. */
  #isAlive(client: Client, now_ms: number): boolean {
    if (now_ms - client.pinged_ms >= PING_EVERY_MS) {
      if (!client.answered) {
        this.#drop(client);
        return false;
      }
      client.answered = false;
      client.pinged_ms = now_ms;
      client.socket.ping();
    }
    if (client.takes(now_ms)) return true;
    this.#health.skipped++;
    if (now_ms - client.stuck_since_ms! >= this.#options.limits.stuck_ms) this.#drop(client);
    return false;
  }

  #drop(client: Client): void {
    this.#health.dropped++;
    client.socket.terminate();
  }
}

class Client {
  readonly socket: WebSocket;
  /** What it subscribed to, and the read that it was last sent of. */
  readonly feeds = new Map<Feed, Read | null>();
  /** Whether anything was heard of it since the last ping. */
  answered = true;
  pinged_ms: number;
  /** Since when it takes nothing, by the clock of the ticks; null while it does. */
  stuck_since_ms: number | null = null;
  #messages = { tick: 0, count: 0 };
  #last: Promise<void> = Promise.resolve();

  constructor(socket: WebSocket, { now_ms }: Read) {
    this.socket = socket;
    this.pinged_ms = now_ms;
  }

  /** Whether it has taken all that was sent. */
  takes(now_ms: number): boolean {
    if (this.socket.bufferedAmount === 0) this.stuck_since_ms = null;
    else this.stuck_since_ms ??= now_ms;
    return this.stuck_since_ms === null;
  }

  /** How many messages it has sent in this tick, with this one. */
  messagesAt({ tick }: Read): number {
    if (this.#messages.tick !== tick) this.#messages = { tick, count: 0 };
    this.#messages.count++;
    return this.#messages.count;
  }

  /** Deals with one message after the other, in their order. */
  next(deal: () => Promise<void>): void {
    this.#last = this.#last.then(() => (this.socket.readyState === this.socket.OPEN ? deal() : undefined));
  }
}

/** What several clients may be subscribed to: one frame a tick. */
class Feed {
  readonly key: string;
  viewers = 0;
  readonly #subscription: Subscription;
  readonly #topics: Topics;
  #frame: { readonly read: Read; readonly bytes: Buffer } | null = null;

  constructor(subscription: Subscription, topics: Topics) {
    this.key = subscription.key;
    this.#subscription = subscription;
    this.#topics = topics;
  }

  /** @throws what the panel throws */
  load(): void {
    this.#topics.get(this.#subscription.request).data();
  }

  frame(read: Read): Buffer {
    if (this.#frame?.read !== read) this.#frame = { read, bytes: Buffer.from(this.#text(read)) };
    return this.#frame.bytes;
  }

  #text({ tick, now_ms }: Read): string {
    const { channel, params, request } = this.#subscription;
    const head = JSON.stringify({ channel, ...paramsIn(params), tick }).slice(0, -1);
    try {
      const data = this.#topics.get(request).json();
      const timestamp = `"timestamp":${JSON.stringify(new Date(now_ms).toISOString())}`;
      return `${head},"data":{${timestamp}${data === "{}" ? "" : ","}${data.slice(1)}}`;
    } catch (error) {
      this.#topics.counts.errors++;
      return `${head},"error":${JSON.stringify(problemOf(error))}}`;
    }
  }
}

function paramsIn(params: Subscription["params"]): { params?: Subscription["params"] } {
  return Object.keys(params).length === 0 ? {} : { params };
}
