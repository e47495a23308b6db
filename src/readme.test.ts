import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { loadSettings, settingsTable } from "./config.ts";
import { readAlertsFile } from "./metrics/process/alerts-file.ts";
import { rulesTable, wordsTable } from "./metrics/process/rules/tables.ts";
import { NOTHING } from "./metrics/store/conformance.ts";
import { openStore } from "./metrics/store/sqlite.ts";
import { rehearse } from "./rehearse.ts";

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
    samples: series.map((handle, i) => ({ series: handle, at_ms, value: 40 + i })),
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
  const [rules, series] = [...readme.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, yaml]) => yaml!);
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
