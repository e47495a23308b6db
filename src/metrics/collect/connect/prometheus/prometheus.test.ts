import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { readYaml } from "../../../yaml.ts";
import { DCGM } from "./dcgm-fixture.ts";
import { PROMETHEUS } from "./prometheus.ts";
import { connector, freePort, ScrapedFleet, START_MS, target } from "./prometheus-fixture.ts";

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function exporter(...given: Parameters<typeof target>) {
  const one = await target(...given);
  closing.push(() => one.close());
  return one;
}

function fleetOf(config: object): ScrapedFleet {
  const fleet = new ScrapedFleet(config);
  closing.push(() => fleet.close());
  return fleet;
}

const poll = (config: object, timeout_ms?: number) =>
  connector(config, timeout_ms).poll(START_MS, new AbortController().signal);
const BUSY = [{ metric: "cpu_utilization", series: "busy" }];

describe("DCGM's GPUs", () => {
  test("are devices of one worker a host; what DCGM can't say is missing, and no number", async () => {
    const { url } = await exporter(DCGM);
    const fleet = fleetOf({ targets: [url], preset: "dcgm" });
    const { reports } = await fleet.poll();
    expect(fleet.read.workers()).toHaveLength(1);
    const worker = fleet.read.worker("gpu-01")!;
    expect(worker).toMatchObject({ type: "gpu", hostname: "gpu-01", state: "active" });
    expect(worker.gpus).toEqual([
      { index: 0, utilization: 97, memory_utilization: 75, temperature_celsius: 61 },
      { index: 1, memory_utilization: 1.25 },
    ]);
    expect(fleet.metrics("gpu-01")).toMatchObject({
      gpu_utilization: 97,
      gpu_utilization_max: 97,
      gpu_temperature_celsius: 61,
      gpu_memory_bytes: 29500 * 2 ** 20,
      gpu_power_watts: 301.75,
      gpu_xid_error: 79,
    });
    expect(worker.capabilities).toEqual({
      gpu_count: 2,
      gpu_memory_bytes: 40000 * 2 ** 20,
      gpu_model: "NVIDIA A100-SXM4-40GB",
    });
    expect(JSON.stringify(reports)).not.toContain("922337");
  });

  test("and its machine's node_exporter speak of one worker", async () => {
    const [gpus, node] = [
      await exporter(DCGM),
      await exporter(
        'node_uname_info{nodename="gpu-01",release="6.1"} 1\nnode_memory_MemTotal_bytes 100\nnode_memory_MemAvailable_bytes 25\n',
      ),
    ];
    const merged = [
      ...(await poll({ targets: [gpus.url], preset: "dcgm" })).reports,
      ...(await poll({ targets: [node.url], preset: "node_exporter" })).reports,
    ].flatMap(({ workers }) => workers ?? []);
    expect(merged.map(({ id }) => id)).toEqual(["gpu-01", "gpu-01"]);
    expect(merged[1]).toMatchObject({ metrics: { memory_utilization: 75, memory_bytes: 75 } });
  });
});

describe("rules of one's own", () => {
  test("make workers of labels, rates of counters, and figures of the fleet", async () => {
    const said = (jobs: number) => `# TYPE jobs_total counter
jobs_total{node="r1",outcome="ok"} ${jobs}
jobs_total{node="r1",outcome="failed"} ${jobs / 10}
jobs_total{node="r2",outcome="ok"} 0
waiting{node="r1"} 3
waiting{node="r2"} 4
temperature{node="r1",sensor="a"} 40
temperature{node="r1",sensor="b"} 60
unnamed_waiting 7
`;
    const one = await exporter(said(100));
    const fleet = fleetOf({
      targets: [one.url],
      workers: { id: "render/{{node}}", type: "render", hostname: "{{host}}" },
      metrics: [
        { metric: "jobs_per_minute", series: "jobs_total", scale: 60 },
        { metric: "failed_tasks", series: 'jobs_total{outcome="failed"}' },
        { metric: "queued_tasks", series: "waiting" },
        { metric: "hottest_celsius", series: "temperature", agg: "max" },
        { metric: "mean_celsius", series: "temperature", agg: "mean" },
        { metric: "sensors", series: "temperature", agg: "count" },
      ],
      system: [{ metric: "queue_depth", series: '{__name__=~"waiting|unnamed_waiting"}' }],
    });
    await fleet.poll();
    expect(fleet.metrics("render/r1")).toMatchObject({
      failed_tasks: 10,
      queued_tasks: 3,
      hottest_celsius: 60,
      mean_celsius: 50,
      sensors: 2,
    });
    expect(fleet.metrics("render/r1").jobs_per_minute).toBeUndefined();
    expect(fleet.read.system.get("queue_depth")).toBe(14);
    one.body = said(110);
    await fleet.poll();
    expect(fleet.metrics("render/r1").jobs_per_minute).toBeCloseTo(660);
    expect(fleet.metrics("render/r2").jobs_per_minute).toBe(0);
    // The exporter was started again.
    one.body = said(10);
    await fleet.poll();
    expect(fleet.metrics("render/r1").jobs_per_minute).toBeCloseTo(660);
    expect(fleet.read.worker("render/r1")).toMatchObject({ type: "render", hostname: "127.0.0.1" });
  });

  test("stand in place of a preset's of the same name", async () => {
    const { url } = await exporter(
      'node_uname_info{nodename="n1"} 1\nnode_load1 3\nnode_memory_MemTotal_bytes 8\nmy_memory 42\n',
    );
    const { reports } = await poll({
      targets: [url],
      preset: "node_exporter",
      workers: { id: "{{target}}" },
      metrics: [{ metric: "memory_utilization", series: "my_memory" }],
    });
    expect(reports[0]!.workers).toMatchObject([
      { id: new URL(url).host, type: "node", metrics: { memory_utilization: 42, load_average: 3 } },
    ]);
  });

  test("take OpenMetrics, and the exporter's own times", async () => {
    const said = (value: number, at_s: number) => `# TYPE work_seconds counter
work_seconds_total{node="a"} ${value} ${at_s}
# EOF
`;
    const one = await exporter(said(10, 1000), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    const rules = {
      workers: { id: "{{node}}" },
      metrics: [{ metric: "work", series: "work_seconds_total" }],
    };
    const scraping = connector({ targets: [one.url], ...rules });
    const at = async (now_ms: number) =>
      (await scraping.poll(now_ms, new AbortController().signal)).reports[0]!.workers![0]!.metrics;
    expect(await at(START_MS)).toEqual({});
    one.body = said(20, 1020);
    expect(await at(START_MS + 1000)).toEqual({ work: 0.5 });
    expect(one.asked[0]!.accept).toBe(
      "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
    );
  });

  test("that give what a metric can't be lose that metric, and say so", async () => {
    const { url } = await exporter('busy{n="a"} 850\nbusy{n="b"} 101\nbusy{n="c"} NaN\nbusy{n="d\\n"} 1\n');
    const { reports, saw } = await poll({ targets: [url], workers: { id: "{{n}}" }, metrics: BUSY });
    expect(reports[0]!.workers).toEqual([
      { id: "a", capabilities: {}, metrics: {} },
      { id: "b", capabilities: {}, metrics: { cpu_utilization: 100 } },
      { id: "c", capabilities: {}, metrics: {} },
    ]);
    expect(saw).toBe(
      `3 workers at 1 of 1 target; ${url}: a worker's id must be 1 to 256 printable characters; got "d\\n"; ` +
        `${url}: cpu_utilization must be from 0 to 100; got 850`,
    );
  });
});

describe("several targets", () => {
  test("one that fails, and one that hangs, lose nothing of the others; their workers fall silent and are not gone", async () => {
    const [good, bad, slow] = [
      await exporter("busy 10\n"),
      await exporter("busy 20\n"),
      await exporter("busy 30\n"),
    ];
    const targets = [good.url, bad.url, slow.url];
    const scraping = connector({ targets, metrics: BUSY }, 300);
    const whole = await scraping.poll(START_MS, new AbortController().signal);
    expect(whole).toMatchObject({ saw: "3 workers at 3 of 3 targets", reports: [{ complete: true }] });
    bad.status = 500;
    slow.body = null;
    const part = await scraping.poll(START_MS + 1000, new AbortController().signal);
    expect(part.reports).toMatchObject([
      { complete: false, workers: [{ id: new URL(good.url).host, metrics: { cpu_utilization: 10 } }] },
    ]);
    expect(part.saw).toBe(
      `1 worker at 1 of 3 targets; ${bad.url} must answer 200; got 500; ${slow.url} did not answer in time`,
    );
  });

  test("that have one worker are told", async () => {
    const [a, b] = [await exporter('busy{n="x"} 1\n'), await exporter('busy{n="x"} 2\n')];
    const { saw } = await poll({ targets: [a.url, b.url], workers: { id: "{{n}}" }, metrics: BUSY });
    expect(saw).toBe(`1 worker at 2 of 2 targets; ${b.url} and ${a.url} both have the worker "x"`);
  });

  test("that all fail are an error that names them", async () => {
    const port = await freePort();
    const html = await exporter("<!doctype html>", "text/html; charset=utf-8");
    const broken = await exporter('busy{n="x} 1\n');
    await expect(
      poll({ targets: [`http://127.0.0.1:${port}/metrics`, html.url, broken.url], metrics: BUSY }),
    ).rejects.toThrow(
      `http://127.0.0.1:${port}/metrics can't be reached: ECONNREFUSED; ` +
        `${html.url} must answer text/plain or application/openmetrics-text; got "text/html; charset=utf-8"; ` +
        `${broken.url} line 1 must give labels as name="value"`,
    );
  });

  test("one that has no worker is no whole picture", async () => {
    const { url } = await exporter("other 1\n");
    const { reports, saw } = await poll({ targets: [url], metrics: BUSY });
    expect(reports).toMatchObject([{ complete: false, workers: [] }]);
    expect(saw).toContain('no series that the rules name has the labels of the worker\'s id "{{target}}"');
  });
});

describe("credentials", () => {
  test("are shown as bearer or as user and password, read anew for each poll, and never told", async () => {
    const folder = mkdtempSync(join(tmpdir(), "evenkeel-secret-"));
    closing.push(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "token");
    const one = await exporter("busy 1\n");
    const scraping = connector({ targets: [one.url], metrics: BUSY, bearer_file: file });
    for (const token of ["first", "second"]) {
      writeFileSync(file, `${token}\n`);
      await scraping.poll(START_MS, new AbortController().signal);
    }
    process.env.EVENKEEL_TEST_PASSWORD = "p:w";
    closing.push(() => void delete process.env.EVENKEEL_TEST_PASSWORD);
    await poll({ targets: [one.url], metrics: BUSY, user: "me", password_env: "EVENKEEL_TEST_PASSWORD" });
    expect(one.asked.map(({ authorization }) => authorization)).toEqual([
      "Bearer first",
      "Bearer second",
      `Basic ${Buffer.from("me:p:w").toString("base64")}`,
    ]);
    writeFileSync(file, "two\nlines");
    await expect(scraping.poll(START_MS, new AbortController().signal)).rejects.toThrow(
      `bearer_file names ${file}, which must hold visible ASCII of one line; got 9 characters`,
    );
    await expect(poll({ targets: [one.url], metrics: BUSY, bearer_env: "EVENKEEL_NONE" })).rejects.toThrow(
      "bearer_env names the variable EVENKEEL_NONE, which is not set",
    );
  });
});

test.each([
  ["targets: []", "targets must be a list of at least one address; got []"],
  ["targets: [gpu-01:9100]", "targets[0] must be an address that starts with http:// or https://"],
  [
    "targets: ['http://me:pw@h/']",
    "targets[0] must be an address that starts with http:// or https://, without user and password",
  ],
  ["targets: [http://h/, http://h/]", 'targets[1] must stand once; got "http://h/" again'],
  [
    "targets: [http://h/]",
    "metrics must be a list of at least one metric where no preset (node_exporter, haproxy, dcgm) is named",
  ],
  [
    "targets: [http://h/]\npreset: nodeexporter",
    'preset must be one of node_exporter, haproxy, dcgm; got "nodeexporter"',
  ],
  ["targets: [http://h/]\npreset: dcgm\nmetric: []", 'has no field "metric"; did you mean metrics?'],
  [
    "targets: [http://h/]\nmetrics: [{metric: load, series: a}]",
    'metrics[0].metric must be a metric that is reported; Evenkeel works out "load" itself',
  ],
  [
    "targets: [http://h/]\nmetrics: [{metric: a, series: 'a{b=c}'}]",
    "metrics[0].series must be a series such as node_load1",
  ],
  [
    "targets: [http://h/]\nmetrics: [{metric: a, series: 'a{b=~\"(\"}'}]",
    'metrics[0].series must be a regular expression; got "("',
  ],
  ["targets: [http://h/]\nmetrics: [{metric: a, series: a, as: sum}]", "metrics[0].as must be rate or value"],
  [
    "targets: [http://h/]\nmetrics: [{metric: a, series: a, agg: p95}]",
    "metrics[0].agg must be one of sum, mean, max, min, count",
  ],
  [
    "targets: [http://h/]\npreset: dcgm\nfacts: [{fact: status, series: a, label: b, values: {x: broken}}]",
    "facts[0].values.x must be one of active, draining, offline, down",
  ],
  ["targets: [http://h/]\npreset: dcgm\nuser: me", "user must stand beside password_env or password_file"],
  [
    "targets: [http://h/]\npreset: dcgm\nbearer_env: A\nbearer_file: B",
    "bearer_env must not stand beside bearer_file",
  ],
])("refuses %j", (yaml, problem) => {
  const read = readYaml(yaml, PROMETHEUS.schema, "evenkeel.yaml");
  expect("problems" in read ? read.problems.join("\n") : "").toContain(`evenkeel.yaml: ${problem}`);
});
