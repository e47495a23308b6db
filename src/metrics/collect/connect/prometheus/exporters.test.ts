import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import { cpus, hostname, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findProgram } from "../../../../../e2e/programs.ts";
import { answering, freePort, type Running, running, ScrapedFleet, serving } from "./prometheus-fixture.ts";

const [node_exporter, haproxy] = [findProgram("node_exporter"), findProgram("haproxy")];
/** Where continuous integration runs they must be there. */
const without = (program: string | undefined) => program === undefined && !process.env.CI;

describe.skipIf(without(node_exporter))("a real node_exporter", () => {
  let program: Running;
  let fleet: ScrapedFleet;

  beforeAll(async () => {
    const ready = /msg="Listening on" address=(\S+)/;
    program = await running(node_exporter!, ["--web.listen-address=127.0.0.1:0"], ready);
    fleet = new ScrapedFleet({ targets: [`http://${program.found}/metrics`], preset: "node_exporter" });
  });
  afterAll(async () => {
    await program.stop();
    await fleet.close();
  });

  test("is a worker: this machine, with what it has and what it uses", async () => {
    // A kernel counts its ticks in hundredths of a second.
    const read = await fleet.until((now) => now.worker(hostname())?.metrics.has("cpu_utilization") === true);
    const worker = read.worker(hostname())!;
    expect(worker).toMatchObject({
      type: "node",
      hostname: hostname(),
      state: "active",
      capabilities: { cpu_cores: cpus().length },
    });
    expect(fleet.saw).toBe("1 worker at 1 of 1 target");
    const metrics = fleet.metrics(hostname());
    const { memory_bytes } = worker.capabilities;
    // Both read the same file, and some containers show their own limit in it.
    expect(Number(memory_bytes) / totalmem()).toBeCloseTo(1, 1);
    expect(metrics.memory_bytes! / Number(memory_bytes)).toBeCloseTo(metrics.memory_utilization! / 100, 3);
    for (const name of ["cpu_utilization", "memory_utilization", "io_utilization"]) {
      expect([name, metrics[name]! >= 0 && metrics[name]! <= 100]).toEqual([name, true]);
    }
    expect(worker.load).toBeGreaterThan(0);
    expect(metrics.load_average).toBeGreaterThanOrEqual(0);
    expect(metrics.network_receive_bytes_per_second ?? 0).toBeGreaterThanOrEqual(0);
  });
});

describe.skipIf(without(haproxy))("a real HAProxy", () => {
  let folder: string;
  let program: Running;
  let fleet: ScrapedFleet;
  let port: number;
  /** Requests that a server has and did not answer yet. */
  const held: ServerResponse[] = [];
  const servers: Record<string, Awaited<ReturnType<typeof serving>>> = {};

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "evenkeel-haproxy-"));
    for (const name of ["s1", "s2", "s3"]) {
      servers[name] = await serving((request, response) => {
        if (request.url === "/hold") held.push(response);
        else response.writeHead(request.url === "/fail" ? 503 : 200).end("x");
      });
    }
    const stats = await freePort();
    port = await freePort();
    const lines = Object.entries(servers).map(
      ([name, server]) =>
        `  server ${name} 127.0.0.1:${server.port} check inter 50ms fall 1 rise 1 maxconn 1`,
    );
    const file = join(folder, "haproxy.cfg");
    writeFileSync(
      file,
      `global
  stats socket ${join(folder, "admin.sock")} mode 600 level admin
  log stderr format raw daemon notice
defaults
  mode http
  timeout connect 5s
  timeout client 1m
  timeout server 1m
  timeout queue 1m
frontend metrics
  bind 127.0.0.1:${stats}
  http-request use-service prometheus-exporter if { path /metrics }
frontend web
  bind 127.0.0.1:${port}
  default_backend app
backend app
${lines.join("\n")}
`,
    );
    const url = `http://127.0.0.1:${stats}/metrics`;
    program = await answering(haproxy!, ["-db", "-f", file], url);
    fleet = new ScrapedFleet({ targets: [url], preset: "haproxy" });
    await fleet.until((read) => read.workers().length === 3);
  });
  afterAll(async () => {
    for (const response of held) response.end();
    await program.stop();
    for (const server of Object.values(servers)) await server.close();
    await fleet.close();
    rmSync(folder, { recursive: true });
  });

  const ask = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  const states = () => Object.fromEntries(fleet.read.workers().map(({ id, state }) => [id, state] as const));
  /** A command of its admin's socket. */
  const command = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(join(folder, "admin.sock"), () => socket.end(`${text}\n`));
      socket.once("error", reject).once("close", () => resolve());
      socket.resume();
    });

  test("has a worker a server, with its sessions, its queue and its state", async () => {
    expect(states()).toEqual({ "app/s1": "active", "app/s2": "active", "app/s3": "active" });
    const asked = Array.from({ length: 7 }, () => ask("/hold"));
    await fleet.until(({ system }) => system.get("queue_depth") === 4);
    for (const id of ["app/s1", "app/s2", "app/s3"]) {
      expect(fleet.read.worker(id)).toMatchObject({ type: "app", capabilities: { slots: 1 } });
      expect(fleet.metrics(id)).toMatchObject({ active_tasks: 1, session_utilization: 100, queued_tasks: 0 });
    }
    expect(fleet.read.worker("app/s1")!.tags).toEqual([expect.stringMatching(/^L[47]OK$/)]);
    let answered = 0;
    const all = Promise.all(asked).then(() => (answered = asked.length));
    await fleet.until(() => {
      for (const response of held.splice(0)) response.end("held");
      return answered === asked.length;
    });
    await all;
    await fleet.until(({ system }) => system.get("queue_depth") === 0);
  });

  test("under load has rates of what its servers answer, and of what fails", async () => {
    await Promise.all(Array.from({ length: 30 }, (_, index) => ask(index % 3 === 0 ? "/fail" : "/ok")));
    await fleet.poll();
    const sum = (name: string) =>
      fleet.read.workers().reduce((total, { metrics }) => total + (metrics.get(name) ?? 0), 0);
    expect([sum("responses_per_second"), sum("responses_5xx_per_second")]).toEqual([30, 10]);
    expect(sum("failed_tasks")).toBe(10);
    expect(sum("completed_tasks")).toBeGreaterThanOrEqual(20);
    expect(sum("network_transmit_bytes_per_second")).toBeGreaterThan(0);
    await fleet.poll();
    expect(sum("responses_per_second")).toBe(0);
  });

  test("has servers that are drained, in maintenance, and down: which alone is a problem", async () => {
    await command("set server app/s1 state drain");
    await command("set server app/s2 state maint");
    await servers.s3!.close();
    await fleet.until(() => states()["app/s3"] === "stale");
    expect(states()).toEqual({ "app/s1": "draining", "app/s2": "offline", "app/s3": "stale" });
    await fleet.until(({ alerts }) => alerts.some(({ rule }) => rule === "worker_lost"));
    expect(fleet.read.alerts.map(({ id }) => id)).toEqual(["worker_lost:app/s3"]);
    expect(states()["app/s3"]).toBe("lost");
    await command("set server app/s1 state ready");
    await fleet.until(() => states()["app/s1"] === "active");
  });
});
