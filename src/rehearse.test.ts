import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadSettings } from "./config.ts";
import { DEFAULT_RULES } from "./metrics/process/rules/default-rules.ts";
import { rulesOf } from "./metrics/process/rules/rules-fixture.ts";
import { rehearse } from "./rehearse.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-rehearse-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const { settings } = loadSettings({ flags: {}, env: {}, readFile: () => "" });

async function lines(
  name: string,
  text: string,
  rules = DEFAULT_RULES,
): Promise<{ unmet: number; said: string[] }> {
  const file = join(folder, name);
  writeFileSync(file, text);
  const said: string[] = [];
  const print = (line: string) => void said.push(line.replaceAll("\u00a0", " "));
  const unmet = await rehearse(file, { rules, limits: settings, tick_ms: 1000, print });
  return { unmet, said };
}

const problem = (name: string, text: string) =>
  lines(name, text).then(String, (error: Error) => error.message);

describe("series that are written down", () => {
  test("say what fires when, and whether that was expected", async () => {
    const series = `
workers:
  W1: { type: gpu, cpu_utilization: 50*10 95*20 50 }
  W2: { type: gpu, cpu_utilization: 50*20 _*45 50 }
expect:
  - { at: 12s, firing: [] }
  - { at: 13s, firing: ["worker_overload:W1"] }
  - { at: 40s, firing: ["worker_overload:W1"] }
`;
    expect(await lines("a.yaml", series)).toEqual({
      unmet: 1,
      said: [
        "0:00:13  firing    critical  Worker W1 is overloaded: 95 % CPU, 0 pending tasks",
        "0:00:25  firing    warning   Worker W2 is stale: report overdue, 0 unfinished tasks",
        "0:00:35  resolved  critical  Worker W1 is overloaded: 95 % CPU, 0 pending tasks",
        "0:00:40  expected worker_overload:W1; fires worker_stale:W2",
        "0:01:05  resolved  warning   Worker W2 is stale: report overdue, 0 unfinished tasks",
        "2 alerts fired",
        "2 of 3 expectations are met",
      ],
    });
  });

  test("may stand in place of what follows of the fleet, and grow", async () => {
    const series = `
step: 10s
workers: { W1: {} }
system: { queued_tasks: 0+2*12, throughput_per_minute: 0*20 }
`;
    const { unmet, said } = await lines("a.yml", series);
    // More than five wait from 30 s on, and that is held for a minute.
    expect([unmet, said]).toEqual([
      0,
      [
        "0:01:30  firing    critical  Tasks wait and none completes: 18 tasks waiting, 0 running, 0.0 /min completed",
        "1 alert fired",
      ],
    ]);
  });

  test("that no rule can see, and alerts that none can raise, are said and no error", async () => {
    const series = `
workers: { W1: { cpu_utlization: 50, spool_depth: 3, gpu_utilization: 4 } }
system: { queue_dept: 1 }
expect: [{ at: 0s, firing: [] }, { at: 0s, firing: ["worker_overlod:W1"] }]
`;
    const { said } = await lines("a.yaml", series);
    expect(said.slice(0, 4).map((line) => line.replace(/^.*a\.yaml: /, ""))).toEqual([
      '"cpu_utlization" is no metric of a worker, and no rule asks for it by custom(); did you mean cpu_utilization?',
      '"spool_depth" is no metric of a worker, and no rule asks for it by custom()',
      '"queue_dept" is no metric of the system, and no rule asks for it by custom(); did you mean queue_depth?',
      'expect names no rule: "worker_overlod"; did you mean worker_overload?',
    ]);
    expect(said.at(-1)).toBe("1 of 2 expectations are met");
    const rules = rulesOf({
      name: "spool",
      each: "worker",
      when: "custom(spool_depth) > 2",
      severity: "notice",
      summary: "x",
    });
    const own = await lines("b.yaml", "workers: { W1: { spool_depth: 3 } }", rules);
    expect(own.said).toEqual(["0:00:00  firing    notice    x", "1 alert fired"]);
  });

  test.each([
    [
      "workers: { W1: { cpu_utilization: fast } }",
      "workers.W1.cpu_utilization must be values apart by spaces: 50, 50*10",
    ],
    ["system: { queued_tasks: 1*999999 }", "at most 100000"],
    ["expect: [{ at: soon, firing: [] }]", "expect[0].at must be a duration from 0s to 30d"],
    ["series: 1", 'has no field "series", line 1'],
  ])("%s is refused", async (text, message) => {
    expect(await problem("a.yaml", text)).toContain(message);
  });
});

describe("a recorded trace", () => {
  const at = (second: number) => Date.UTC(2026, 0, 1) + second * 1000;
  const trace = (cpu: (second: number) => number, seconds: number) =>
    Array.from({ length: seconds }, (_, second) =>
      JSON.stringify({
        at: at(second),
        source: "a",
        interval_s: 1,
        workers: [{ id: "W1", metrics: { cpu_utilization: cpu(second) } }],
      }),
    ).join("\n");

  test("says what would have fired, by its own time", async () => {
    expect(
      await lines(
        "a.ndjson",
        trace((second) => (second >= 5 && second < 20 ? 99 : 10), 40),
      ),
    ).toEqual({
      unmet: 0,
      said: [
        "0:00:08  firing    critical  Worker W1 is overloaded: 99 % CPU, 0 pending tasks",
        "0:00:25  resolved  critical  Worker W1 is overloaded: 99 % CPU, 0 pending tasks",
        "1 alert fired",
      ],
    });
  });

  test("that is none is refused with its line", async () => {
    expect(await problem("a.ndjson", `${trace(() => 1, 1)}\n{"at": 1e12, "workers": 3}`)).toMatch(
      /a\.ndjson, line 2: .*workers must be a list; got 3/,
    );
    expect(await problem("a.ndjson", "")).toContain("holds no report");
    expect(
      await rehearse(join(folder, "none.yaml"), {
        rules: [],
        limits: settings,
        tick_ms: 1000,
        print: () => {},
      }).catch(String),
    ).toContain("none.yaml can't be read");
  });
});
