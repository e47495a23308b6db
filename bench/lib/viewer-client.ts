import { connect, type Socket } from "node:net";
import { createGunzip, type Gunzip } from "node:zlib";
import { wall_ms } from "./bench.ts";
import { median, percentile } from "./figures.ts";

// Many viewers of one stream or of several in a process of their own, on raw sockets. Two of each stream read what
// they get; the others' chunks are compared with theirs, so that counting costs little of the machine that is measured.

/** What to open. */
export interface Open {
  /** The streams, each watched by as many. */
  readonly urls: readonly string[];
  /** Of all of them. */
  readonly viewers: number;
  readonly gzip: boolean;
}

/** What a window of some ticks gave. */
export interface Delivered {
  /** From a tick's own `at_ms` to its last byte at each viewer. */
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly max_ms: number;
  readonly bytes_a_tick: number;
  /** Ticks of the window. */
  readonly ticks: number;
  /** Ticks times viewers that did not arrive whole, in order and alike. */
  readonly lost: number;
}

const READERS = 2;
/** Connections opened at once. */
const OPENING = 100;
/** The last ticks of a window may still be on their way when it ends. */
const GRACE_MS = 1500;

interface Tick {
  readonly tick: number;
  readonly at_ms: number;
}

/** A chunk in short: length and some of its bytes, enough to tell the chunks of a few minutes apart. */
type Digest = number;

class Viewer {
  readonly digests: Digest[] = [];
  readonly arrivals_ms: number[] = [];
  bytes = 0;
  readonly #inflate: Gunzip | null;
  readonly #onText: ((text: string, digest: Digest, arrived_ms: number) => void) | null;
  #rest: Buffer | null = null;
  #headed = false;
  /** Chunks wait here until their text is inflated. */
  readonly #inflating: { digest: Digest; arrived_ms: number }[] = [];

  constructor(gzip: boolean, onText: Viewer["textListener"]) {
    this.#onText = onText;
    this.#inflate = onText && gzip ? createGunzip() : null;
    let [text, of] = ["", null as object | null];
    this.#inflate?.on("data", (bytes: Buffer) => {
      const chunk = this.#inflating.at(-1);
      if (!chunk) return;
      // A chunk's text may come in pieces.
      text = (of === chunk ? text : "") + bytes.toString("latin1");
      of = chunk;
      this.#onText?.(text, chunk.digest, chunk.arrived_ms);
    });
  }

  declare readonly textListener: ((text: string, digest: Digest, arrived_ms: number) => void) | null;

  /** Takes what a socket brought; the bytes are only lent. */
  take(lent: Buffer): void {
    const arrived_ms = wall_ms();
    this.bytes += lent.length;
    let bytes = this.#rest ? Buffer.concat([this.#rest, lent]) : lent;
    this.#rest = null;
    if (!this.#headed) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end === -1) {
        this.#rest = Buffer.from(bytes);
        return;
      }
      const head = bytes.toString("latin1", 0, end);
      if (!/^HTTP\/1\.1 200 /.test(head)) throw new Error(`a viewer was answered:\n${head}`);
      this.#headed = true;
      bytes = bytes.subarray(end + 4);
    }
    // HTTP/1.1 chunks: length in hexadecimal, line end, bytes, line end.
    while (bytes.length > 0) {
      const line = bytes.indexOf("\r\n");
      const length = line === -1 ? 0 : Number.parseInt(bytes.toString("latin1", 0, line), 16);
      if (line === -1 || bytes.length < line + 2 + length + 2) {
        this.#rest = Buffer.from(bytes);
        return;
      }
      this.#chunk(bytes.subarray(line + 2, line + 2 + length), arrived_ms);
      bytes = bytes.subarray(line + 2 + length + 2);
    }
  }

  #chunk(chunk: Buffer, arrived_ms: number): void {
    const digest = digestOf(chunk);
    this.digests.push(digest);
    this.arrivals_ms.push(arrived_ms);
    if (this.#inflate) {
      this.#inflating.push({ digest, arrived_ms });
      this.#inflate.write(Buffer.from(chunk));
    } else this.#onText?.(chunk.toString("latin1"), digest, arrived_ms);
  }

  forget(): void {
    this.digests.length = 0;
    this.arrivals_ms.length = 0;
    this.bytes = 0;
  }
}

function digestOf(chunk: Buffer): Digest {
  let digest = chunk.length;
  const step = Math.max(1, Math.floor(chunk.length / 64));
  for (let at = 0; at < chunk.length; at += step) digest = (digest * 31 + chunk[at]!) % 0x1fffffffffff;
  return digest;
}

function headOf({ pathname, search, host }: URL, gzip: boolean): Buffer {
  return Buffer.from(
    `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nAccept: text/event-stream\r\n` +
      `Accept-Encoding: ${gzip ? "gzip" : "identity"}\r\n\r\n`,
  );
}

/** The streams that are open, and what the readers found in them. */
class Viewers {
  readonly #viewers: Viewer[] = [];
  readonly #sockets: Socket[] = [];
  /** Tick and time of each digest that a reader has read. */
  readonly #ticks = new Map<Digest, Tick>();

  async open({ urls, viewers, gzip }: Open): Promise<void> {
    const { hostname, port } = new URL(urls[0]!);
    const heads = urls.map((url) => headOf(new URL(url), gzip));
    // Its bytes are used up before the next socket is read.
    const lent = Buffer.allocUnsafe(256 * 1024);
    for (let opened = 0; opened < viewers; opened += OPENING) {
      const group = Array.from({ length: Math.min(OPENING, viewers - opened) }, (_, index) => {
        const place = opened + index;
        const head = heads[place % heads.length]!;
        const reads = place < READERS * heads.length;
        const viewer = new Viewer(gzip, reads ? (text, digest) => this.#read(text, digest) : null);
        this.#viewers.push(viewer);
        return new Promise<void>((resolve, reject) => {
          const socket = connect({
            host: hostname,
            port: Number(port),
            onread: {
              buffer: lent,
              callback: (length, buffer) => {
                viewer.take((buffer as Buffer).subarray(0, length));
                resolve();
                return true;
              },
            },
          });
          socket.once("connect", () => socket.write(head));
          socket.once("error", reject);
          this.#sockets.push(socket);
        });
      });
      await Promise.all(group);
    }
  }

  #read(text: string, digest: Digest): void {
    const [, tick] = /^id: (\d+)\n/m.exec(text) ?? [];
    const [, at_ms] = /"at_ms":([\d.]+)[,}]/.exec(text) ?? [];
    if (tick !== undefined && at_ms !== undefined)
      this.#ticks.set(digest, { tick: Number(tick), at_ms: Number(at_ms) });
  }

  /** The ticks that every stream had in the window, by its viewers' first so many chunks. */
  #ticksOf(chunks: readonly number[]): { first: number; last: number } {
    const seen = this.#viewers
      .map(({ digests }, index) => digests.slice(0, chunks[index]!))
      .map((digests) => digests.flatMap((digest) => this.#ticks.get(digest)?.tick ?? []))
      .filter((ticks) => ticks.length > 0);
    // A viewer that lost one at an edge is to be noticed: most of them tell where the window begins and ends.
    return {
      first: median(seen.map((ticks) => ticks[0]!)),
      last: median(seen.map((ticks) => ticks.at(-1)!)),
    };
  }

  /** Counts whole ticks for some time. */
  async measure(window_ms: number): Promise<Delivered> {
    // From between two ticks to between two ticks.
    await sleep(1600 - (Date.now() % 1000));
    for (const viewer of this.#viewers) viewer.forget();
    this.#ticks.clear();
    await sleep(window_ms);
    const counted = this.#viewers.map((viewer) => ({
      bytes: viewer.bytes,
      chunks: viewer.digests.length,
    }));
    await sleep(GRACE_MS);
    // The ticks of the grace time only help to understand; what began within the window is to be there whole.
    const { first, last } = this.#ticksOf(counted.map(({ chunks }) => chunks));
    const most = Math.max(0, last - first + 1);
    const delays_ms: number[] = [];
    let lost = 0;
    for (const viewer of this.#viewers) {
      let arrived = 0;
      let before = first - 1;
      for (const [index, digest] of viewer.digests.entries()) {
        const tick = this.#ticks.get(digest);
        if (tick === undefined || tick.tick <= before || tick.tick > last) continue;
        before = tick.tick;
        arrived++;
        delays_ms.push(viewer.arrivals_ms[index]! - tick.at_ms);
      }
      lost += most - arrived;
    }
    const bytes = counted.reduce((sum, one) => sum + one.bytes, 0);
    const chunks = counted.reduce((sum, one) => sum + one.chunks, 0);
    delays_ms.sort((a, b) => a - b);
    return {
      p50_ms: percentile(delays_ms, 0.5),
      p99_ms: percentile(delays_ms, 0.99),
      max_ms: delays_ms.at(-1) ?? Number.NaN,
      bytes_a_tick: bytes / chunks,
      ticks: most,
      lost,
    };
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const viewers = new Viewers();
process.on("disconnect", () => process.exit());
process.on("message", async (message: { open: Open } | { measure_ms: number } | "close") => {
  if (message === "close") {
    viewers.close();
    process.exit();
  }
  if ("open" in message) {
    await viewers.open(message.open);
    process.send?.("open");
  } else process.send?.(await viewers.measure(message.measure_ms));
});
