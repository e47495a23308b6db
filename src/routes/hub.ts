import { EvenkeelError } from "../errors.ts";
import type { Read } from "../metrics/read.ts";
import { isTurnOver, turn } from "../metrics/turn.ts";
import { FORMATS, Frame, GZIP_HEADER, type Piece, type StreamFormat, type TickFacts } from "./frames.ts";
import { prepared } from "./moment.ts";
import type { PanelRequest } from "./params.ts";
import { SITE, type Site } from "./site.ts";
import { Sockets } from "./sockets.ts";
import { Topics } from "./topics.ts";

export interface HubLimits {
  /** Streams open at once. */
  readonly max_viewers: number;
  /** Distinct streams: panels, parameters and format. */
  readonly max_channels: number;
  /** Distinct panels with parameters that are watched, and that are kept rendered, at once. */
  readonly max_topics: number;
  /** Panels of one stream. */
  readonly max_panels: number;
  /** A client that took nothing for so long is dropped, milliseconds. */
  readonly stuck_ms: number;
  /** Clients written to before other work gets its turn. */
  readonly clients_a_turn: number;
}

const HUB_LIMITS: HubLimits = {
  max_viewers: 12_000,
  max_channels: 500,
  max_topics: 1_000,
  max_panels: 32,
  stuck_ms: 30_000,
  clients_a_turn: 500,
};

/** How often a stream's panels are begun anew in turns where a tick came meanwhile. */
const RENDERED_IN_TURNS = 2;

/** The part of an HTTP response, of either version, that a stream needs. */
export interface Outgoing {
  readonly writableLength: number;
  readonly destroyed: boolean;
  write(chunk: Uint8Array): boolean;
  end(): unknown;
  destroy(): unknown;
  on(event: "close" | "error", listener: () => void): unknown;
}

/** How the hub is doing, for the health page. */
export interface HubHealth {
  readonly viewers: number;
  readonly channels: number;
  readonly viewers_dropped: number;
  readonly ticks_skipped: number;
  readonly bytes_out: number;
  readonly publish_ms: number;
  readonly loads: number;
  readonly renders: number;
  /** Panels that failed in a stream and kept what they had shown. */
  readonly errors: number;
  /** Name of each limit that was reached, and how often. */
  readonly limits_reached: Readonly<Record<string, number>>;
}

interface HubOptions {
  read: () => Read;
  /** Until the tick that is worked off is done; null while none is, and left out where none ever takes long. */
  ticking?: () => Promise<void> | null;
  /** How panels become markup; left out, as they are shown everywhere. */
  renderPanel?: Site["renderPanel"];
  limits?: Partial<HubLimits>;
}

/**
 * Sends every viewer what changed since the last tick. Each distinct request for a stream is a channel, which
 * is rendered once a tick and only while somebody watches; all its viewers get the same bytes.
 */
export class Hub {
  /** The render cache that pages, fragments and streams share. */
  readonly topics: Topics;
  /** The viewers that are connected by WebSocket; they count as the others do. */
  readonly sockets: Sockets;
  readonly limits: HubLimits;
  readonly #read: () => Read;
  readonly #ticking: () => Promise<void> | null;
  readonly #channels = new Map<string, Channel>();
  readonly #limits_reached: Record<string, number> = {};
  #publishing: Promise<void> | null = null;
  #again = false;
  #closed = false;
  #viewers = 0;
  #dropped = 0;
  #skipped = 0;
  #bytes_out = 0;
  #publish_ms = 0;

  constructor({ read, ticking, renderPanel = SITE.renderPanel, limits }: HubOptions) {
    this.limits = { ...HUB_LIMITS, ...limits };
    this.#read = read;
    this.#ticking = ticking ?? (() => null);
    this.topics = new Topics({ read, renderPanel, max_topics: this.limits.max_topics });
    this.sockets = new Sockets({
      read,
      topics: this.topics,
      limits: this.limits,
      prepared: (requests) => this.prepared(requests, "json"),
      turn: () => this.turn(),
      enter: () => this.#enter(),
      reached: (limit) => this.#reached(limit),
    });
  }

  /** Looks up what panels need, before a viewer joins: each tick then shows what was found. Renders them in turns, too. */
  async prepared(requests: readonly PanelRequest[], format: StreamFormat): Promise<void> {
    await prepared(requests, this.#read());
    await this.#render(requests, format);
  }

  /**
   * Adds a viewer and sends it a full picture. `open` writes the head of the response; it is only called once
   * nothing can be refused any more.
   * @throws EvenkeelError where a limit is reached or a panel has nothing to show.
   */
  join(requests: readonly PanelRequest[], format: StreamFormat, gzip: boolean, open: () => Outgoing): void {
    if (this.#closed) throw new EvenkeelError("unavailable", "Evenkeel is stopping", { retry_after_s: 2 });
    this.checkRoom();
    const channel = this.#channelFor(requests, format);
    channel.advance(this.#read());
    const viewer: Viewer = { outgoing: open(), gzip, version: NEVER, follows: false, stuck_since_ms: null };
    channel.viewers.add(viewer);
    this.#channels.set(channel.key, channel);
    this.#viewers++;
    viewer.outgoing.on("error", () => {});
    viewer.outgoing.on("close", () => this.#leave(channel, viewer));
    if (gzip) this.#write(viewer, GZIP_HEADER);
    this.#send(channel, viewer);
    // The client may have gone while its head was written; then no event will tell.
    if (viewer.outgoing.destroyed) this.#leave(channel, viewer);
  }

  /**
   * What one viewer is to be sent who asks again and again: nothing where it has seen all of this tick.
   * @param shown the id of the last event that it was sent; empty for none
   * @throws EvenkeelError where a panel has nothing to show.
   */
  poll(requests: readonly PanelRequest[], format: StreamFormat, shown: string): string {
    const pieces = requests.map((request) => FORMATS[format].piece(this.topics.get(request)));
    return FORMATS[format].poll(tickFacts(this.#read()), pieces, shown);
  }

  /** @throws EvenkeelError where no viewer can be added */
  checkRoom(): void {
    if (this.#viewers >= this.limits.max_viewers) throw this.#refuse("max_viewers", "viewers");
  }

  #enter(): () => void {
    this.checkRoom();
    this.#viewers++;
    return () => {
      if (!this.#closed) this.#viewers--;
    };
  }

  /** Called once after each tick. Settles when every viewer was served; a tick that comes meanwhile is served too. */
  publish(): Promise<void> {
    this.#again = true;
    this.#publishing ??= this.#publishAll().finally(() => {
      this.#publishing = null;
    });
    return this.#publishing;
  }

  /** Distinct streams that are watched. */
  get streams(): number {
    return this.#channels.size;
  }

  health(): HubHealth {
    const overflows = this.topics.overflows;
    const sockets = this.sockets.health();
    return {
      viewers: this.#viewers,
      channels: this.streams,
      viewers_dropped: this.#dropped + sockets.dropped,
      ticks_skipped: this.#skipped + sockets.skipped,
      bytes_out: this.#bytes_out + sockets.bytes_out,
      publish_ms: this.#publish_ms,
      ...this.topics.counts,
      limits_reached: { ...this.#limits_reached, ...(overflows > 0 ? { render_cache: overflows } : {}) },
    };
  }

  /** Ends every stream now; who took nothing is cut off. Resolves when the WebSockets are closed too. */
  close(): Promise<void> {
    this.#closed = true;
    for (const channel of this.#channels.values()) {
      for (const { outgoing } of channel.viewers) {
        if (outgoing.writableLength > 0) outgoing.destroy();
        else outgoing.end();
      }
    }
    this.#channels.clear();
    this.#viewers = 0;
    return this.sockets.close();
  }

  #channelFor(requests: readonly PanelRequest[], format: StreamFormat): Channel {
    const key = `${format} ${requests.map((request) => request.key).join(" ")}`;
    const known = this.#channels.get(key);
    if (known) return known;
    if (this.#channels.size >= this.limits.max_channels)
      throw this.#refuse("max_channels", "distinct streams");
    const watched = new Set(requests.map((request) => request.key));
    for (const channel of this.#channels.values()) {
      for (const request of channel.requests) watched.add(request.key);
    }
    if (watched.size > this.limits.max_topics) throw this.#refuse("max_topics", "distinct panels watched");
    return new Channel(key, requests, format, this.topics);
  }

  #refuse(limit: "max_viewers" | "max_channels" | "max_topics", what: string): EvenkeelError {
    this.#reached(limit);
    return new EvenkeelError(
      "unavailable",
      `${limit}: at most ${this.limits[limit]} ${what} at once; try again when others have left`,
      { retry_after_s: 5 },
    );
  }

  #reached(limit: string): void {
    this.#limits_reached[limit] = (this.#limits_reached[limit] ?? 0) + 1;
  }

  async #publishAll(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      const started_ms = performance.now();
      await this.#publishOnce();
      this.#publish_ms = performance.now() - started_ms;
    }
  }

  async #publishOnce(): Promise<void> {
    let written = 0;
    await turn();
    for (const channel of this.#channels.values()) {
      await this.#render(channel.requests, channel.format);
      if (this.#closed) return;
      channel.advance(this.#read());
      for (const viewer of channel.viewers) {
        this.#send(channel, viewer);
        written++;
        if (written % this.limits.clients_a_turn === 0) await turn();
        if (this.#closed) return;
      }
    }
    await this.sockets.publish();
  }

  /**
   * Loads and renders panels, each in a turn, ahead of who shows them and is told there what fails. Where ticks overtake it again and
   * again, it leaves the rest to be rendered at once, so that it gets there.
   */
  async #render(requests: readonly PanelRequest[], format: StreamFormat): Promise<void> {
    for (let attempt = 0; attempt < RENDERED_IN_TURNS; attempt++) {
      const read = this.#read();
      for (const request of requests) if (!(await this.#renderOne(request, format, read))) break;
      if (this.#closed || this.#read() === read) return;
    }
  }

  /** @returns false where a tick came meanwhile */
  async #renderOne(request: PanelRequest, format: StreamFormat, read: Read): Promise<boolean> {
    const topic = this.topics.get(request);
    const { load, piece } = FORMATS[format];
    for (const work of [load, piece]) {
      await this.turn();
      if (this.#closed || this.#read() !== read) return false;
      try {
        work(topic);
      } catch {}
    }
    return true;
  }

  /** Others take their turn once they have waited for long. Nothing is shown of a tick that is half done. */
  async turn(): Promise<void> {
    if (isTurnOver()) await turn();
    for (let ticking = this.#ticking(); ticking; ticking = this.#ticking()) {
      await ticking;
      await turn();
    }
  }

  /** Brings one viewer to the channel's tick: by what changed if it has the tick before, else by all of it. */
  #send(channel: Channel, viewer: Viewer): void {
    if (viewer.version === channel.version) return;
    // The picture that it began with may still be on its way, where the tick came right behind it.
    if (viewer.outgoing.writableLength > 0 && viewer.follows) {
      this.#skip(channel, viewer);
      return;
    }
    const frame = viewer.version === channel.version - 1 ? channel.changes : channel.snapshot;
    viewer.follows = viewer.version !== NEVER;
    viewer.version = channel.version;
    viewer.stuck_since_ms = null;
    this.#write(viewer, viewer.gzip ? frame.deflated : frame.plain);
  }

  #skip(channel: Channel, viewer: Viewer): void {
    const { now_ms } = this.#read();
    this.#skipped++;
    viewer.stuck_since_ms ??= now_ms;
    if (now_ms - viewer.stuck_since_ms < this.limits.stuck_ms) return;
    this.#dropped++;
    this.#leave(channel, viewer);
    viewer.outgoing.destroy();
  }

  #write(viewer: Viewer, bytes: Buffer): void {
    this.#bytes_out += bytes.length;
    viewer.outgoing.write(bytes);
  }

  #leave(channel: Channel, viewer: Viewer): void {
    if (!channel.viewers.delete(viewer)) return;
    if (this.#closed) return;
    this.#viewers--;
    if (channel.viewers.size === 0) this.#channels.delete(channel.key);
  }
}

/** Before the first version, so that nothing follows on it. */
const NEVER = -1;

interface Viewer {
  readonly outgoing: Outgoing;
  readonly gzip: boolean;
  /** The version of its channel that its page shows. */
  version: number;
  /** Whether it was sent anything beyond the picture that it began with. */
  follows: boolean;
  /** Since when it takes nothing, by the clock of the ticks; null while it does. */
  stuck_since_ms: number | null;
}

/** One distinct stream: what it shows at its newest tick, and how to get there from the tick before. */
class Channel {
  readonly key: string;
  readonly requests: readonly PanelRequest[];
  readonly viewers = new Set<Viewer>();
  /** Counts up by one each tick that it moves on to, from 1. */
  version = 0;
  readonly format: StreamFormat;
  readonly #topics: Topics;
  #read: Read | null = null;
  #facts: TickFacts | null = null;
  #pieces: readonly Piece[] = [];
  #before: readonly Piece[] = [];
  #changes: Frame | null = null;
  #snapshot: Frame | null = null;

  constructor(key: string, requests: readonly PanelRequest[], format: StreamFormat, topics: Topics) {
    this.key = key;
    this.requests = requests;
    this.format = format;
    this.#topics = topics;
  }

  /**
   * Moves on to what is newest. A panel that fails keeps what it showed, so that one defect does not end the stream.
   * @throws what the panel throws where nothing was shown yet.
   */
  advance(read: Read): void {
    if (this.#read === read) return;
    this.#read = read;
    const pieces = this.requests.map((request, index) => this.#piece(request, this.#pieces[index]));
    this.#before = this.#pieces;
    this.#pieces = pieces;
    this.version++;
    this.#facts = tickFacts(read);
    this.#changes = null;
    this.#snapshot = null;
  }

  /** For a page that shows the tick before. */
  get changes(): Frame {
    this.#changes ??= new Frame(FORMATS[this.format].changes(this.#facts!, this.#pieces, this.#before));
    return this.#changes;
  }

  /** For a page of which nothing is known. */
  get snapshot(): Frame {
    this.#snapshot ??= new Frame(FORMATS[this.format].snapshot(this.#facts!, this.#pieces));
    return this.#snapshot;
  }

  #piece(request: PanelRequest, before: Piece | undefined): Piece {
    try {
      return FORMATS[this.format].piece(this.#topics.get(request));
    } catch (error) {
      if (before === undefined) throw error;
      this.#topics.counts.errors++;
      return before;
    }
  }
}

function tickFacts({ tick, now_ms, demo, self }: Read): TickFacts {
  const { version, tick_ms, store_error: trouble } = self;
  return { tick, at_ms: now_ms, demo, version, tick_ms, ...(trouble !== null && { trouble }) };
}
