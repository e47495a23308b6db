import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { findProgram } from "../../../e2e/programs.ts";
import { freePort } from "../http.ts";
import { type Fleet, FleetGauges } from "./gauges.ts";
import { Daemon, missingProgram, type Peer, temporaryFolder, versionOf } from "./peer.ts";

/** A graph each, as near as they come to what our dashboard has. */
const EXPRESSIONS = [
  "worker_cpu_utilization",
  "worker_memory_utilization",
  "worker_gpu_utilization",
  "worker_network_utilization",
  "worker_active_tasks",
  "sum(rate(worker_completed_tasks[15s]))",
];

/** The fleet scraped each second from a page that the bench serves. */
export const prometheus: Peer = {
  name: "Prometheus",
  missing: () => missingProgram("prometheus", "prometheus"),
  async start(atEnd) {
    const program = findProgram("prometheus")!;
    const folder = temporaryFolder("prometheus");
    const target = new Target();
    atEnd(() => target.close());
    const config = join(folder, "prometheus.yml");
    writeFileSync(
      config,
      `global: { scrape_interval: 1s }
scrape_configs: [{ job_name: fleet, static_configs: [{ targets: ["127.0.0.1:${await target.listen()}"] }] }]
`,
    );
    const address = `127.0.0.1:${await freePort()}`;
    const daemon = new Daemon(
      program,
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, "data")}`,
        `--web.listen-address=${address}`,
      ],
      folder,
    );
    atEnd(() => daemon.stop());
    await daemon.answersAt(`http://${address}/-/ready`);
    return {
      title: `Prometheus ${versionOf(program, "--version", /version ([\d.]+)/)}`,
      url: `http://${address}/graph?${queryOf(EXPRESSIONS)}`,
      data: ".rickshaw_graph path",
      shows: `the last minute of 5 metrics of 100 workers and their throughput, a graph each, no tasks; never refreshes by itself`,
      pids: [daemon.pid],
    };
  },
};

/** Each as a graph of the last minute. */
function queryOf(expressions: readonly string[]): URLSearchParams {
  const query = new URLSearchParams();
  for (const [at, expression] of expressions.entries()) {
    query.set(`g${at}.expr`, expression);
    query.set(`g${at}.tab`, "0");
    query.set(`g${at}.range_input`, "1m");
  }
  return query;
}

/** The fleet in the text format, as an exporter would tell it. */
class Target {
  #text = "";
  readonly #fleet = new FleetGauges((workers) => {
    this.#text = expositionOf(workers);
  });
  readonly #server: Server = createServer((_, answer) => {
    answer.setHeader("Content-Type", "text/plain; version=0.0.4");
    answer.end(this.#text);
  });

  /** Resolves with its port. */
  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#fleet.stop();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

function expositionOf(workers: Fleet): string {
  const metrics = new Set([...workers.values()].flatMap((gauges) => Object.keys(gauges)));
  return [...metrics]
    .map((metric) => {
      const lines = [...workers]
        .filter(([, gauges]) => gauges[metric] !== undefined)
        .map(([worker, gauges]) => `worker_${metric}{worker="${worker}"} ${gauges[metric]}\n`);
      return `# TYPE worker_${metric} gauge\n${lines.join("")}`;
    })
    .join("");
}
