import { describe, expect, test } from "vitest";
import type { z } from "zod";
import type { Read } from "../metrics/read.ts";
import { fixtureRead } from "./fixture.ts";
import { renderPanel } from "./frame.tsx";
import { HISTORY_PARAMS, historyCharts, historyTable, loadHistory, seriesNames } from "./history.ts";
import { history } from "./panels/history.tsx";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOON_MS = Date.UTC(2026, 10, 23, 12);

/** A read of which each value is the hour that it is from. */
const read: Read = {
  ...fixtureRead(),
  now_ms: NOON_MS,
  range: ({ series, from_ms, to_ms, step_ms }) => {
    const at_ms = Array.from({ length: (to_ms - from_ms) / step_ms }, (_, i) => from_ms + i * step_ms);
    const hours = at_ms.map((time_ms) => time_ms / HOUR_MS);
    const column = { mean: hours, min: hours, max: hours, count: hours.map(() => 1) };
    return { step_ms, tier_s: 1, at_ms, columns: series.map(() => column) };
  },
};
const load = (query: z.input<typeof HISTORY_PARAMS>) =>
  loadHistory(read, seriesNames("system", "", ["running_tasks"]), HISTORY_PARAMS.parse(query));

describe("a window beside an earlier one", () => {
  const data = load({ duration: "3h", step: "1h", compare: "24h" });
  const noon = NOON_MS / HOUR_MS;

  test("has of each step the mean of that step so long before", () => {
    expect(data.compare_s).toBe(DAY_MS / 1000);
    expect(data.times_ms).toEqual([3, 2, 1].map((hours) => NOON_MS - hours * HOUR_MS));
    expect(data.series[0]?.mean).toEqual([noon - 3, noon - 2, noon - 1]);
    expect(data.series[0]?.before).toEqual([noon - 27, noon - 26, noon - 25]);
  });

  test("has it as a column of its table, and as a line of its chart", () => {
    const { columns, rows } = historyTable(data);
    expect(columns).toEqual([
      "time",
      "running_tasks",
      "running_tasks min",
      "running_tasks max",
      "running_tasks before",
    ]);
    expect(rows[2]).toEqual(["2026-11-23T11:00:00.000Z", noon - 1, noon - 1, noon - 1, noon - 25]);
    expect(historyCharts(data, 100)[0]?.chart.lines[0]?.before).toEqual(data.series[0]?.before);
  });

  test("of which nothing is kept says so, and one of which something is says which line it is", () => {
    const note = (of: Read) => {
      const { html } = renderPanel(
        history,
        history.params.parse({ compare: "24h", duration: "3h", step: "1h", metrics: "running_tasks" }),
        of,
      );
      return /<small id="p-history-n">([^<]*)/.exec(html)?.[1];
    };
    expect(note(read)).toBe("a point each 1h, its mean, dashed: 24h before");
    const young: Read = {
      ...read,
      range: (query) => {
        const answer = read.range(query);
        const nothing = answer.at_ms.map(() => null);
        const columns = answer.columns.map((column) => ({ ...column, mean: nothing }));
        return query.to_ms > NOON_MS - HOUR_MS ? answer : { ...answer, columns };
      },
    };
    expect(note(young)).toBe("a point each 1h, its mean, no data for the window 24h before");
  });

  test("is compared with nothing unless asked", () => {
    const alone = load({ duration: "3h", step: "1h" });
    expect([alone.compare_s, alone.series[0]?.before]).toEqual([null, undefined]);
    expect(historyTable(alone).columns).toHaveLength(4);
  });
});

test.each([
  [{ compare: "yesterday" }, /compare/],
  [{ tz: "Mars/Olympus" }, /must be the name of a time zone/],
  [{ theme: "pink" }, /theme/],
])("%j is refused", (query, why) => {
  const parsed = HISTORY_PARAMS.safeParse(query);
  expect(parsed.success ? "" : JSON.stringify(parsed.error.issues)).toMatch(why);
});
