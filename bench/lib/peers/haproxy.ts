import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { Agent, createServer, get, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { findProgram } from "../../../e2e/programs.ts";
import { SEED_FLEET } from "../feed.ts";
import { freePort } from "../http.ts";
import { Daemon, missingProgram, type Peer, temporaryFolder, versionOf } from "./peer.ts";

/** How long a request takes, so that as many end each second as tasks of the fleet do: some 70. */
const REQUEST_MS = 14_000;
const RETRY_MS = 1000;

/** Workers are servers of a backend, tasks are requests that are under way. */
export const haproxy: Peer = {
  name: "HAProxy",
  missing: () => missingProgram("haproxy", "haproxy"),
  async start(atEnd) {
    const program = findProgram("haproxy")!;
    const folder = temporaryFolder("haproxy");
    const workers = await Workers.start();
    atEnd(() => workers.stop());
    const [stats, front] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
    const config = join(folder, "haproxy.cfg");
    writeFileSync(config, configOf(stats, front, workers.port));
    const daemon = new Daemon(program, ["-db", "-f", config], folder);
    atEnd(() => daemon.stop());
    const url = `http://${stats}/`;
    await daemon.answersAt(url);
    const clients = new Clients(`http://${front}/`);
    atEnd(() => clients.stop());
    return {
      title: `HAProxy ${versionOf(program, "-v", /version ([\d.]+)/)}`,
      url,
      data: `a[name="fleet/worker-${SEED_FLEET.workers - 1}"]`,
      shows: `${SEED_FLEET.workers} servers and how many of ${SEED_FLEET.tasks} requests each has, one table; loads itself anew each second`,
      pids: [daemon.pid],
    };
  },
};

function configOf(stats: string, front: string, worker_port: number): string {
  const servers = Array.from(
    { length: SEED_FLEET.workers },
    (_, index) => `  server worker-${index} 127.0.0.1:${worker_port} maxconn 16\n`,
  );
  return `global
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout queue 60s
frontend tasks
  bind ${front}
  default_backend fleet
backend fleet
  balance leastconn
${servers.join("")}
frontend stats
  bind ${stats}
  stats enable
  stats uri /
  stats refresh 1s
`;
}

/** One server that stands for all workers: each request takes a task's time. */
class Workers {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<Workers> {
    const server = createServer((_, answer) => {
      const timer = setTimeout(() => answer.end("done"), REQUEST_MS * (0.5 + Math.random()));
      answer.once("close", () => clearTimeout(timer));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Workers(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** Keeps as many requests under way as the fleet has tasks. */
class Clients {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopped = false;

  constructor(url: string) {
    this.#url = url;
    for (let task = 0; task < SEED_FLEET.tasks; task++)
      this.#after((task * REQUEST_MS) / 10 / SEED_FLEET.tasks);
  }

  #after(wait_ms: number): void {
    if (this.#stopped) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      get(this.#url, { agent: this.#agent }, (answer) => {
        answer.once("end", () => this.#after(0)).resume();
      }).once("error", () => this.#after(RETRY_MS));
    }, wait_ms);
    this.#timers.add(timer);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#agent.destroy();
  }
}
