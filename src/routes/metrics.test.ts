import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { findProgram } from "../../e2e/programs.ts";
import { ManualClock } from "../metrics/clock.ts";
import {
  type Format,
  readExposition,
  type Series,
} from "../metrics/collect/connect/prometheus/exposition.ts";
import { answering, freePort } from "../metrics/collect/connect/prometheus/prometheus-fixture.ts";
import type { Pipeline } from "../metrics/pipeline.ts";
import { pipelineWith } from "../metrics/pipeline-fixture.ts";
import type { MetricStore } from "../metrics/store/contract.ts";
import { openStore } from "../metrics/store/sqlite.ts";
import { MAX_WORKERS } from "../views/exposition/families.ts";
import { fixtureRead } from "../views/fixture.ts";
import { listen, read, START_MS, type World, world } from "./fixture.tsx";

const OPENMETRICS =
  "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
/** Ids may be any printable text. */
const HOSTILE = `W "1"\\n{x="y"} # EOF é 🛰 \\`;

let folder: string;
let clock: ManualClock;
let store: MetricStore;
let pipeline: Pipeline;
let shown: World;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-metrics-"));
  clock = new ManualClock(START_MS);
  store = openStore(join(folder, "fleet.db"), { housekeeping: "inline" });
  pipeline = pipelineWith(store, clock);
  shown = world();
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

/** A second later, with what was reported until then. */
async function tick(...reports: object[]): Promise<void> {
  clock.advance(1000);
  const sent = reports.map((report) => ({ source: "balancer", interval_s: 1, ...report }));
  if (sent.length > 0) await pipeline.collector.take(sent);
  pipeline.tick(clock.now());
  shown.now.read = pipeline.read();
}

async function text(accept?: string): Promise<string> {
  const response = await shown.app.request("/metrics", { headers: accept ? { Accept: accept } : {} });
  expect(response.status).toBe(200);
  return response.text();
}

function parsed(exposition: string, format: Format = "text"): Series[] {
  const reading = readExposition(exposition, format);
  for (let step = reading.next(); ; step = reading.next()) if (step.done) return step.value;
}

/** The samples of one metric, by their labels' values. */
async function samples(name: string): Promise<Record<string, number>> {
  const found = parsed(await text()).filter((series) => series.name === name);
  return Object.fromEntries(found.map(({ labels, value }) => [[...labels.values()].join(" "), value]));
}

const GPU = {
  id: HOSTILE,
  type: "gpu",
  metrics: { cpu_utilization: 7.1, gpu_temperature_celsius: 61, completed_tasks: 12, fan_total: 3 },
};
const task = (id: string, given: object) => ({ id, type: "vision", model_family: "vit", ...given });
const ran = (id: string, seconds: number, status = "completed") =>
  task(id, {
    status,
    worker_id: HOSTILE,
    queued_at: clock.now() - seconds * 1000 - 2000,
    started_at: clock.now() - seconds * 1000,
    ended_at: clock.now(),
  });

describe("/metrics", () => {
  test("comes in either format by Accept, and says the same in both", async () => {
    await tick({ workers: [GPU], tasks: [ran("t1", 3), task("t2", { status: "queued" })] });
    const [older, newer] = [await text(), await text(OPENMETRICS)];
    expect(newer.endsWith("\n# EOF\n")).toBe(true);
    expect(older).toContain("# TYPE evenkeel_reports_total counter\n");
    expect(newer).toContain("# TYPE evenkeel_reports counter\n");
    const plain = (series: Series[]) =>
      series
        .filter(({ name }) => !name.startsWith("process_"))
        .map(({ name, labels, value, cumulative }) => {
          const bound = labels.get("le");
          return [
            name,
            {
              ...Object.fromEntries(labels),
              ...(bound && { le: Number(bound.replace("+Inf", "Infinity")) }),
            },
            value,
            cumulative,
          ];
        });
    expect(plain(parsed(newer, "openmetrics"))).toEqual(plain(parsed(older)));
    const types = await Promise.all(
      [undefined, "*/*", OPENMETRICS, "text/html,*/*;q=0.8"].map(async (accept) => {
        const response = await shown.app.request("/metrics", { headers: accept ? { Accept: accept } : {} });
        return response.headers.get("content-type");
      }),
    );
    const TEXT = "text/plain; version=0.0.4; charset=utf-8";
    expect(types).toEqual([TEXT, TEXT, "application/openmetrics-text; version=1.0.0; charset=utf-8", TEXT]);
    expect((await shown.app.request("/metrics", { headers: { Accept: "image/png" } })).status).toBe(406);
  });

  test("tells of workers by hostile ids, in base units, and of what the catalogue does not know by a label", async () => {
    await tick({
      workers: [GPU, { id: "W2", status: "draining" }],
      system: { metrics: { queue_depth: 4, lag: 1 } },
    });
    expect(await samples("evenkeel_worker_state")).toEqual({
      [`${HOSTILE} gpu active`]: 1,
      "W2 draining": 1,
    });
    expect(await samples("evenkeel_worker_cpu_utilization_ratio")).toEqual({ [`${HOSTILE} gpu`]: 0.071 });
    expect(await samples("evenkeel_worker_gpu_temperature_celsius")).toEqual({ [`${HOSTILE} gpu`]: 61 });
    expect(await samples("evenkeel_worker_completed_tasks_total")).toEqual({ [`${HOSTILE} gpu`]: 12 });
    expect(await samples("evenkeel_worker_reported")).toEqual({ [`${HOSTILE} gpu fan_total`]: 3 });
    expect(await samples("evenkeel_reported")).toEqual({ lag: 1 });
    expect(await samples("evenkeel_queue_depth")).toEqual({ "": 4 });
    expect(await samples("evenkeel_workers")).toEqual({
      active: 1,
      overloaded: 0,
      draining: 1,
      offline: 0,
      stale: 0,
      lost: 0,
    });
    expect(await samples("evenkeel_worker_type_workers")).toMatchObject({
      "gpu active": 1,
      "gpu draining": 0,
    });
    expect(await samples("evenkeel_source_workers")).toEqual({ balancer: 2 });
  });

  test("tells no figure of an overdue worker as if it were so now, and of a lost one nothing", async () => {
    await tick({ workers: [GPU, { id: "W2", metrics: { cpu_utilization: 1 } }] });
    const name = "evenkeel_worker_cpu_utilization_ratio";
    for (let seconds = 0; seconds < 10; seconds += 1) await tick({ workers: [{ id: "W2" }] });
    expect(await samples("evenkeel_worker_state")).toEqual({ [`${HOSTILE} gpu stale`]: 1, "W2 active": 1 });
    expect(await samples("evenkeel_worker_last_report_age_seconds")).toMatchObject({
      [`${HOSTILE} gpu`]: 10,
    });
    expect(Object.keys(await samples(name))).toEqual(["W2"]);
    for (let seconds = 0; seconds < 60; seconds += 1) await tick({ workers: [{ id: "W2" }] });
    expect(await samples("evenkeel_worker_state")).toEqual({ "W2 active": 1 });
    expect(await samples("evenkeel_workers")).toMatchObject({ active: 1, lost: 1 });
    expect(await samples("evenkeel_alerts_firing")).toMatchObject({
      "worker_lost critical": 1,
      "disk_full warning": 0,
    });
  });

  test("counts what ends and how long it takes without ever taking it back", async () => {
    await tick({
      workers: [GPU],
      tasks: [ran("t1", 3), ran("t2", 0.05), ran("t3", 100_000), ran("t4", 1, "failed")],
    });
    expect(await samples("evenkeel_attempts_total")).toEqual({ completed: 3, failed: 1, cancelled: 0 });
    // A retry takes the failure of the last hour back; it happened all the same.
    await tick({ tasks: [task("t4", { status: "running", attempt: 2 })] });
    expect(await samples("evenkeel_tasks_ended_recently")).toMatchObject({ failed: 0 });
    for (const [name, label] of [
      ["evenkeel_attempts_total", ""],
      ["evenkeel_task_type_attempts_total", "vision "],
      ["evenkeel_model_family_attempts_total", "vit "],
    ]) {
      expect(await samples(name!)).toEqual({
        [`${label}completed`]: 3,
        [`${label}failed`]: 1,
        [`${label}cancelled`]: 0,
      });
    }
    const buckets = await samples("evenkeel_task_type_processing_time_seconds_bucket");
    expect(buckets).toMatchObject({
      "vision 0.1": 1,
      "vision 2.5": 1,
      "vision 5": 2,
      "vision 3600": 2,
      "vision +Inf": 3,
    });
    expect(await samples("evenkeel_task_type_processing_time_seconds_sum")).toEqual({ vision: 100_003.05 });
    expect(await samples("evenkeel_queue_time_seconds_count")).toEqual({ "": 4 });
    // An hour later what ended lately is none; what was counted stays.
    clock.advance(3_700_000);
    await tick();
    expect(await samples("evenkeel_tasks_ended_recently")).toEqual({ completed: 0, failed: 0, cancelled: 0 });
    expect(await samples("evenkeel_attempts_total")).toEqual({ completed: 3, failed: 1, cancelled: 0 });
  });

  test("whatever ends in whatever order: buckets add up, and no counter falls", async () => {
    let count = 0;
    const ends = fc.array(
      fc.record({
        seconds: fc.double({ min: 0, max: 5000, noNaN: true }),
        status: fc.constantFrom("completed", "failed", "cancelled", "running"),
        attempt: fc.integer({ min: 1, max: 3 }),
        id: fc.integer({ min: 0, max: 5 }),
      }),
      { maxLength: 10 },
    );
    await fc.assert(
      fc.asyncProperty(ends, async (all) => {
        const before = parsed(await text());
        count += 1;
        await tick({
          tasks: all.map(({ seconds, status, attempt, id }) => ({
            ...ran(`p${count}-${id}`, seconds, status),
            attempt,
          })),
        });
        const after = new Map(parsed(await text()).map((series) => [series.key, series]));
        for (const { key, value, cumulative, name } of before) {
          if (cumulative && !name.startsWith("evenkeel_worker_"))
            expect(after.get(key)?.value, key).toBeGreaterThanOrEqual(value);
        }
        for (const { name, value } of after.values()) {
          if (!name.endsWith("_seconds_count")) continue;
          const family = name.slice(0, -"_count".length);
          const buckets = [...after.values()].filter((one) => one.name === `${family}_bucket`);
          const own = buckets.filter(({ labels }) => labels.size === 1).map((one) => one.value);
          if (own.length === 0) continue;
          expect(own).toEqual([...own].sort((a, b) => a - b));
          expect(own.at(-1)).toBe(value);
        }
      }),
      { numRuns: 30 },
    );
  });

  test("is made once a tick and format, and only when asked", async () => {
    let made = 0;
    const workers = () => {
      made += 1;
      return [];
    };
    await shown.tick({ workers });
    await shown.tick({ workers });
    expect(made).toBe(0);
    await Promise.all([text(), text(), text(OPENMETRICS)]);
    await text();
    expect(made).toBe(2);
    await shown.tick({ workers });
    await text();
    expect(made).toBe(3);
  });

  test("is compressed for whoever takes that", async () => {
    await tick({ workers: [GPU] });
    const plain = await text();
    const response = await shown.app.request("/metrics", { headers: { "Accept-Encoding": "gzip" } });
    expect(response.headers.get("content-encoding")).toBe("gzip");
    const stream = response.body!.pipeThrough(new DecompressionStream("gzip"));
    expect(await new Response(stream).text()).toBe(plain);
  });

  test("tells of so many workers one by one, and of how many more there are", async () => {
    const [one] = fixtureRead({ workers: 1 }).workers();
    const workers = Array.from({ length: MAX_WORKERS + 7 }, (_, index) => ({ ...one!, id: `W${index}` }));
    const many = world();
    many.now.read = read({ workers: () => workers });
    const exposition = await (await many.app.request("/metrics")).text();
    const found = parsed(exposition);
    expect(found.filter(({ name }) => name === "evenkeel_worker_state")).toHaveLength(MAX_WORKERS);
    expect(found.find(({ name }) => name === "evenkeel_workers_not_told")?.value).toBe(7);
  });
});

const [prometheus, promtool] = [findProgram("prometheus"), findProgram("promtool")];
/** Where continuous integration runs they must be there. */
const without = (program: string | undefined) => program === undefined && !process.env.CI;

/** It looks at its list of targets five seconds after its start. */
const STARTED_MS = 60_000;

describe("real readers", () => {
  const fill = () =>
    tick({
      workers: [GPU, { id: "W2", type: "cpu", status: "draining" }],
      tasks: [ran("t1", 3), ran("t2", 1, "failed"), task("t3", { status: "queued" })],
      system: { metrics: { queue_depth: 4, odd_total: 1 } },
    });

  test.skipIf(without(promtool))("promtool has nothing to say", async () => {
    await fill();
    const { status, stdout, stderr } = spawnSync(promtool!, ["check", "metrics"], {
      input: await text(),
      encoding: "utf8",
    });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
  });

  test.skipIf(without(prometheus))(
    "a Prometheus scrapes every sample of it, and answers from it",
    async () => {
      await fill();
      const { origin, close } = await listen(shown.app);
      const port = await freePort();
      const config = join(folder, "prometheus.yml");
      writeFileSync(
        config,
        `global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs:
  - {job_name: evenkeel, static_configs: [{targets: ["${new URL(origin).host}"]}]}
`,
      );
      const flags = [`--config.file=${config}`, `--storage.tsdb.path=${join(folder, "tsdb")}`];
      const program = await answering(
        prometheus!,
        [...flags, `--web.listen-address=127.0.0.1:${port}`],
        `http://127.0.0.1:${port}/-/ready`,
      );
      const ask = async (query: string): Promise<[labels: Record<string, string>, value: string][]> => {
        const response = await fetch(
          `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`,
        );
        const { data } = (await response.json()) as {
          data: { result: { metric: Record<string, string>; value: [number, string] }[] };
        };
        return data.result.map(({ metric, value }) => [metric, value[1]]);
      };
      try {
        const up = async () => expect(await ask('up{job="evenkeel"} == 1')).toHaveLength(1);
        await vi.waitFor(up, { timeout: STARTED_MS, interval: 100 });
        expect(await ask("evenkeel_worker_cpu_utilization_ratio")).toMatchObject([
          [{ worker: HOSTILE, type: "gpu" }, "0.071"],
        ]);
        expect(await ask('evenkeel_attempts_total{state="failed"}')).toMatchObject([[{}, "1"]]);
        expect(await ask("histogram_quantile(1, evenkeel_processing_time_seconds_bucket)")).toMatchObject([
          [{}, "5"],
        ]);
        const [[, scraped]] = (await ask("scrape_samples_scraped")) as [[unknown, string]];
        expect(Number(scraped)).toBe(parsed(await text(OPENMETRICS), "openmetrics").length);
      } finally {
        await program.stop();
        await close();
      }
    },
    STARTED_MS,
  );
});
