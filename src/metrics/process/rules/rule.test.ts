import { describe, expect, test } from "vitest";
import { readAlertsFile } from "../alerts-file.ts";
import { DEFAULT_RULES } from "./default-rules.ts";

const read = (text: string) => readAlertsFile(text, "alerts.yaml");

const rulesIn = (text: string) => {
  const file = read(text);
  if ("problems" in file) throw new Error(file.problems.join("\n"));
  return file.rules;
};

describe("a file of alerts", () => {
  test("that says nothing leaves the default rules as they are", () => {
    expect(rulesIn("").map(({ name }) => name)).toEqual(DEFAULT_RULES.map(({ name }) => name));
  });

  test("changes a default rule by what it says of it, takes one out, and adds its own", () => {
    const rules = rulesIn(`
rules:
  - name: worker_queue_depth
    when: pending_tasks > 50
    for: 1m
  - name: worker_stale
    enabled: false
  - name: hot
    each: worker
    when: gpu_temperature_celsius > 85
    for: 30s
    keep_firing_for: 90s
    severity: notice
    summary: "{{worker}} is hot: {{gpu_temperature_celsius}}"
`);
    const of = (name: string) => rules.find((rule) => rule.name === name);
    const before = DEFAULT_RULES.find(({ name }) => name === "worker_queue_depth")!;
    expect(of("worker_queue_depth")).toMatchObject({
      when: "pending_tasks > 50",
      for_ms: 60_000,
      severity: before.severity,
      keep_firing_for_ms: before.keep_firing_for_ms,
    });
    expect(of("worker_stale")).toBeUndefined();
    expect(of("hot")).toMatchObject({
      for_ms: 30_000,
      keep_firing_for_ms: 90_000,
      chart: ["gpu_temperature_celsius"],
    });
    expect(rules).toHaveLength(DEFAULT_RULES.length);
  });

  test("may do without the default rules", () => {
    expect(rulesIn("defaults: false")).toEqual([]);
  });

  test.each([
    ["rules: 3", ["alerts.yaml: rules must be a list of rules; got 3, line 1"]],
    ["rule: []", ['alerts.yaml: has no field "rule"; did you mean rules?, line 1']],
    [
      "rules:\n  - name: x",
      ["each", "when", "severity", "summary"].map(
        (field) => `alerts.yaml: rules[0].${field} is missing, line 2`,
      ),
    ],
    [
      "rules:\n  - name: Hot",
      ['alerts.yaml: rules[0].name must be a name of a-z, 0-9 and _, at most 64; got "Hot", line 2'],
    ],
    [
      "rules:\n  - name: source_lost\n    each: sauce",
      [expect.stringContaining("rules[0].each must be one of system, source, worker")],
    ],
    [
      "rules:\n  - name: source_lost\n    for: soon",
      [expect.stringMatching(/rules\[0\]\.for must be a duration .*; got "soon", line 3/)],
    ],
    [
      "rules:\n  - name: source_lost\n    fro: 3s\n    whne: lost == 1",
      [
        'alerts.yaml: rules[0] has no field "fro"; did you mean for?, line 3',
        'alerts.yaml: rules[0] has no field "whne"; did you mean when?, line 4',
      ],
    ],
    [
      "rules:\n  - {name: worker_satle, enabled: false}",
      [
        "alerts.yaml: rules[0].name names no default rule that could be switched off: worker_satle; did you mean worker_stale?, line 2",
      ],
    ],
    [
      "rules:\n  - name: worker_lost\n    summary: '{{worker} a'\n    many: '{{count} lost'",
      [
        'alerts.yaml: rules[0].summary has braces that are not closed: "{{worker} a" (at character 1), line 3',
        'alerts.yaml: rules[0].many has braces that are not closed: "{{count} lost" (at character 1), line 4',
      ],
    ],
    [
      "rules:\n  - name: source_lost\n    unless: [worker_losst]",
      ["alerts.yaml: rules[0].unless names no rule: worker_losst; did you mean worker_lost?, line 3"],
    ],
    [
      "rules:\n  - name: source_lost\n    when: lost = 1",
      ['alerts.yaml: rules[0].when has a character that means nothing: "=" (at character 6), line 3'],
    ],
    [
      "rules:\n  - name: source_lost\n    summary: lost {{sauce}}",
      [
        "alerts.yaml: rules[0].summary has the unknown name sauce; did you mean source? (at character 1), line 3",
      ],
    ],
    [
      "rules:\n  - name: source_lost\n    description: '{{silence_s | apples}}'",
      [expect.stringContaining("rules[0].description has the unknown unit apples")],
    ],
    [
      "rules:\n  - name: source_lost\n    unless: [nobody]",
      ["alerts.yaml: rules[0].unless names no rule: nobody, line 3"],
    ],
    [
      "rules:\n  - name: source_lost\n    unless: [worker_lost]",
      expect.arrayContaining(["alerts.yaml: rules[0].unless leads back to source_lost itself, line 3"]),
    ],
    [
      "rules:\n  - name: source_lost\n  - name: source_lost",
      ["alerts.yaml: rules[1].name is there twice: source_lost, line 3"],
    ],
    // Other kinds of things have other words.
    [
      "rules:\n  - name: source_lost\n    each: task",
      expect.arrayContaining([expect.stringContaining("rules[0].when has the unknown name lost")]),
    ],
    [
      "rules:\n  - name: worker_lost\n    chart: [cpu]",
      ["alerts.yaml: rules[0].chart has the unknown name cpu, line 3"],
    ],
  ])("%j is refused by field and line", (text, problems) => {
    expect(read(text)).toEqual({ problems });
  });
});
