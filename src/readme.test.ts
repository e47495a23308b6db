import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import Database from "better-sqlite3";
import { expect, test, vi } from "vitest";
import { findProgram } from "../e2e/programs.ts";
import { loadSettings, settingsTable } from "./config.ts";
import { REPORT_EXAMPLE } from "./metrics/collect/report.ts";
import { reportTable } from "./metrics/collect/report-table.ts";
import { readAlertsFile } from "./metrics/process/alerts-file.ts";
import { rulesTable, wordsTable } from "./metrics/process/rules/tables.ts";
import { NOTHING, samplesOf } from "./metrics/store/conformance.ts";
import { openStore } from "./metrics/store/sqlite.ts";
import { rehearse } from "./rehearse.ts";
import { startServer } from "./server.ts";

const runFile = promisify(execFile);

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

/** What stands in README.md between `<!-- name -->` and `<!-- /name -->`. */
function section(name: string): string | undefined {
  return readme.split(`<!-- ${name} -->`)[1]?.split(`<!-- /${name} -->`)[0]?.trim();
}

test("README's SQL answers from a file that a server wrote", async () => {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-readme-"));
  const path = join(folder, "fleet.db");
  const store = openStore(path, { housekeeping: "inline" });
  const at_ms = Date.now();
  const series = [
    store.series("worker", "W1", "cpu_utilization"),
    store.series("system", "", "queued_tasks"),
  ];
  const task = {
    id: "t1",
    status: "failed",
    type: "vision",
    model_family: "vit",
    worker_id: "W1",
    attempt: 1,
  };
  store.append({
    ...NOTHING,
    at_ms,
    samples: samplesOf(series.map((handle, i) => ({ series: handle, at_ms, value: 40 + i }))),
    tasks: [{ ...task, queued_at_ms: at_ms, ended_at_ms: at_ms, document: "{}" }],
  });
  await store.close();
  const shell = new Database(path, { readonly: true });
  const queries = [...readme.matchAll(/^sqlite3 data\/evenkeel\.db "([^"]+)"/gm)].map(([, sql]) => sql!);
  const answers = queries.map((sql) => shell.prepare(sql).all());
  expect(answers).toEqual([
    [{ worker_id: "W1", peak: 40 }],
    [{ minute: new Date(at_ms).toISOString().slice(0, 16), queued: 41 }],
    [{ model_family: "vit", ended: 1, failed: 1 }],
  ]);
  shell.close();
  rmSync(folder, { recursive: true });
});

test("README's example of an alerts file is one", () => {
  const text = section("alerts example")!.replace(/^```yaml\n|```$/g, "");
  expect(readAlertsFile(text, "README.md")).toMatchObject({ notify: { receivers: { length: 5 } } });
});

test("README's example of connectors is one", () => {
  const text = section("connectors example")!.replace(/^```yaml\n|```$/g, "");
  const { connectors } = loadSettings({ flags: { config: "README.md" }, env: {}, readFile: () => text });
  expect(connectors).toMatchObject([
    { kind: "coordinator", name: "lab", interval_ms: 1000, timeout_ms: 5000 },
  ]);
});

test("README's examples for Prometheus are a config file, and a config of its own", () => {
  const yaml = (name: string) => section(name)!.replace(/^```yaml\n|```$/g, "");
  const text = yaml("prometheus example");
  const { connectors } = loadSettings({ flags: { config: "README.md" }, env: {}, readFile: () => text });
  expect(connectors.map(({ kind, name }) => [kind, name])).toEqual(
    ["machines", "gpus", "balancer", "renderers"].map((name) => ["prometheus", name]),
  );
  const promtool = findProgram("promtool");
  if (promtool === undefined && !process.env.CI) return;
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-readme-"));
  writeFileSync(join(folder, "prometheus.yml"), yaml("scrape config"));
  const { status, stderr } = spawnSync(promtool!, ["check", "config", join(folder, "prometheus.yml")]);
  rmSync(folder, { recursive: true });
  expect([status, String(stderr)]).toEqual([0, ""]);
});

test("README's example of links is a file of settings", () => {
  const text = section("links example")!.replace(/^```yaml\n|```$/g, "");
  const { settings } = loadSettings({
    flags: { config: "evenkeel.yaml" },
    env: {},
    readFile: () => text,
  });
  expect(settings.worker_links).toEqual([
    { name: "Logs", url: "https://logs.example/search?host={hostname}&from={from_ms}&to={to_ms}" },
    { name: "Machine", url: "https://grafana.example/d/node?var-worker={worker}" },
  ]);
  expect([settings.task_links.length, settings.alert_links.length]).toEqual([1, 1]);
});

test("README's table of settings is the code's", () => {
  expect(section("settings")).toBe(settingsTable());
});

test("README's tables of rules and of their words are the code's", () => {
  expect([section("rules"), section("words")]).toEqual([rulesTable(), wordsTable()]);
});

test("README's rules are a file of alerts, and its series meet what they expect", async () => {
  const after = readme.slice(readme.indexOf("### Rules of your own"));
  const [rules, series] = [...after.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, yaml]) => yaml!);
  const file = readAlertsFile(rules!, "alerts.yaml");
  if ("problems" in file) throw new Error(file.problems.join("\n"));
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-readme-"));
  writeFileSync(join(folder, "series.yaml"), series!);
  const { settings } = loadSettings({ flags: {}, env: {}, readFile: () => "" });
  const said: string[] = [];
  const options = {
    rules: file.rules,
    limits: settings,
    tick_ms: 1000,
    print: (line: string) => void said.push(line),
  };
  expect([await rehearse(join(folder, "series.yaml"), options), said]).toEqual([0, expect.anything()]);
  rmSync(folder, { recursive: true });
});

test("README's table of a report's fields is the code's", () => {
  const { settings } = loadSettings({ flags: {}, env: {}, readFile: () => "" });
  expect(section("report")).toBe(reportTable(settings));
});

test("README's first report is the one that the API documents", () => {
  const [, first] = /-d '(\{[\s\S]*?\})'/.exec(readme)!;
  expect(JSON.parse(first!)).toEqual(REPORT_EXAMPLE);
});

/** Of each question, what the answer must have in it. */
const ANSWERS = [
  /^\{"success":true,.*"reasons":\[.*"total_workers":2/,
  /^id +state .*\n.*\nworker-gpu-02 +overloaded /,
  /^id +state .*\n.*\nworker-gpu-02 .*\nworker-gpu-01 /,
  /^\S+ .*\n.*\n[\s\S]*worker-gpu-02 is overloaded/,
  /^priority +type .*\n.*\n.* t-2 .* It goes next/,
  /^id,state,type.*\r\nt-3,failed,/,
  /^\{"success":true,.*"task":\{"task_id":"t-1","status":"running"/,
  /^worker_id +worker_utilization +task_assignments\n.*\nworker-gpu-01 +[\d.]+ +1\n/,
  /"metrics":\{"queued_tasks":\[(\[\d+,[01]\],?)+\],"throughput_per_minute":\[\[/,
  /^\{"at_ms":.*\n\{"at_ms":.*\n$/,
];

test("README's questions are answered by a server", { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-readme-"));
  const flags = { db: join(folder, "fleet.db"), port: "0", host: "127.0.0.1", demo: "off" };
  const server = await startServer(loadSettings({ flags, env: {}, readFile: () => "" }).settings, () => {});
  const ask = async (path: string) => (await fetch(server.url + path)).text();
  const [worker] = REPORT_EXAMPLE.workers;
  const overloaded = {
    ...worker,
    id: "worker-gpu-02",
    metrics: { cpu_utilization: 97, gpu_utilization: 99 },
  };
  const body = JSON.stringify({
    ...REPORT_EXAMPLE,
    workers: [worker, overloaded],
    tasks: [
      ...REPORT_EXAMPLE.tasks,
      { id: "t-2", type: "text", status: "queued" },
      { id: "t-3", type: "vision", status: "failed", worker_id: "worker-gpu-01", error: "out of memory" },
    ],
  });
  const headers = { "Content-Type": "application/json" };
  await fetch(`${server.url}api/ingest`, { method: "POST", body, headers });
  await vi.waitUntil(async () => (await ask("api/alerts")).includes("is overloaded"), { timeout: 20_000 });
  const lines = section("questions")!
    .split("\n")
    .filter((line) => line.startsWith("curl "));
  const answers: string[] = [];
  for (const line of lines) {
    const here = line.replace("http://127.0.0.1:8080/", server.url).replace("curl -s", "curl --fail -s");
    answers.push((await runFile("sh", ["-c", here])).stdout);
  }
  expect(answers).toEqual(ANSWERS.map((pattern) => expect.stringMatching(pattern)));
  await server.stop();
  rmSync(folder, { recursive: true });
});
