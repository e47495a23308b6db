import { connect, type Socket } from "node:net";

// Clients in a process of their own that mean no good: each that is cut off comes again at once.

/** How many of each kind to hold open. */
export interface Attack {
  readonly url: string;
  /** Connections that say nothing. */
  readonly idle: number;
  /** Streams that are never read. */
  readonly streams: number;
  /** Bodies of which a byte comes each second. */
  readonly bodies: number;
}

/** What became of them so far, by kind. */
export interface Endured {
  readonly open: number;
  readonly cut: number;
}

type Kind = "idle" | "streams" | "bodies";

const DRIP_MS = 1000;
/** Connections opened at once, and the pause until the next ones: as many a second as are cut off. */
const OPENING = 25;
const OPENING_PAUSE_MS = 20;
const AGAIN_MS = 100;

class Attackers {
  readonly #attack: Attack;
  readonly #open: Record<Kind, Set<Socket>> = { idle: new Set(), streams: new Set(), bodies: new Set() };
  readonly #cut: Record<Kind, number> = { idle: 0, streams: 0, bodies: 0 };
  readonly #heads: Record<Kind, string>;
  #waiting: Kind[];
  #let_in = 0;

  constructor(attack: Attack) {
    this.#attack = attack;
    const { host, pathname } = new URL(attack.url);
    const panels = "overview,worker-grid,task-distribution,performance,resources,alerts";
    const json = "Content-Type: application/json\r\nContent-Length: 1000000";
    this.#heads = {
      idle: "",
      streams: `GET ${pathname}stream?panels=${panels} HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      bodies: `POST ${pathname}api/ingest HTTP/1.1\r\nHost: ${host}\r\n${json}\r\n\r\n{`,
    };
    this.#waiting = (["streams", "bodies", "idle"] as const).flatMap((kind) =>
      Array<Kind>(attack[kind]).fill(kind),
    );
    setInterval(() => this.#drip(), DRIP_MS);
  }

  /** Opens what is to be open, some at a time, for ever; resolves when as many were let in as are to be open. */
  start(): Promise<void> {
    const { idle, streams, bodies } = this.#attack;
    return new Promise((resolve) => {
      const next = () => {
        for (const kind of this.#waiting.splice(0, OPENING)) this.#connect(kind);
        if (this.#let_in >= idle + streams + bodies) resolve();
        setTimeout(next, OPENING_PAUSE_MS);
      };
      next();
    });
  }

  endured(): Record<Kind, Endured> {
    const of = (kind: Kind): Endured => ({ open: this.#open[kind].size, cut: this.#cut[kind] });
    return { idle: of("idle"), streams: of("streams"), bodies: of("bodies") };
  }

  #connect(kind: Kind): void {
    const { hostname, port } = new URL(this.#attack.url);
    const socket = connect({ host: hostname, port: Number(port) });
    socket.once("connect", () => {
      this.#open[kind].add(socket);
      this.#let_in++;
      if (this.#heads[kind] !== "") socket.write(this.#heads[kind]);
    });
    // What is not read fills the buffers of both sides.
    if (kind === "streams") socket.pause();
    else socket.resume();
    socket.once("error", () => {});
    socket.once("close", () => {
      if (this.#open[kind].delete(socket)) this.#cut[kind]++;
      setTimeout(() => this.#waiting.push(kind), AGAIN_MS);
    });
  }

  #drip(): void {
    for (const socket of this.#open.bodies) socket.write(" ");
    // Whoever does not read learns only by writing that it was cut off.
    for (const socket of this.#open.streams) socket.write("\r\n");
  }
}

let attackers: Attackers | null = null;
process.on("message", async (message: { attack?: Attack }) => {
  if (message.attack) {
    attackers = new Attackers(message.attack);
    await attackers.start();
  }
  process.send?.(attackers?.endured() ?? null);
});
process.on("disconnect", () => process.exit());
