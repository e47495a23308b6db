import { z } from "zod";
import { asWideAs, clean, count, counted, measure, shorten } from "../../../metrics/format.ts";
import { Name } from "../../components.tsx";
import { CUT_DATA, type CutPanel, type CutPart, cutData } from "../../cut.ts";
import {
  endedField,
  fromField,
  MODEL_FIELDS,
  minutesOf,
  NAME_LENGTH,
  nameOf,
  windowWords,
  withOthers,
} from "../../model-rows.ts";
import type { Markup, Table } from "../../panel.ts";
import { type RankedRow, Ranking } from "../../ranking.tsx";

const data = CUT_DATA.extend({
  from_ms: fromField,
  models: z
    .array(
      z.object({
        ...MODEL_FIELDS,
        completed: endedField("completed"),
        per_minute: z
          .number()
          .nullable()
          .describe("Completed tasks over the window, per minute; null where not counted"),
      }),
    )
    .describe("How many tasks of each model are completed, most tasks first"),
});
type Data = z.output<typeof data>;

export const throughput: CutPanel<typeof data> = {
  name: "throughput",
  title: "Throughput comparison",
  description: "how many tasks of each of its models are completed a minute.",
  data,
  load,
  view,
  note: windowWords,
  table,
};

function load(part: CutPart): Data {
  const from_ms = part.read.endedByModel()?.from_ms ?? null;
  return {
    ...cutData(part),
    from_ms,
    models: part.models.map(({ model_family, model_id, completed }) => ({
      model_family,
      model_id,
      completed,
      per_minute: perMinute(completed, from_ms, part.read.now_ms),
    })),
  };
}

function perMinute(completed: number | null, from_ms: number | null, now_ms: number): number | null {
  return completed === null || from_ms === null ? null : completed / minutesOf(from_ms, now_ms);
}

function view({ models, from_ms, at_ms }: Data) {
  const rowOf = (words: string, name: Markup, completed: number | null): RankedRow => {
    const per_minute = perMinute(completed, from_ms, at_ms);
    return {
      name,
      title: `${clean(words)}: ${completed === null ? "not counted" : counted(completed, "task")} completed`,
      segments: [{ series: 1, value: per_minute ?? 0 }],
      figure: asWideAs("99.9", measure(per_minute, "per_minute")),
      beside: asWideAs("99999", count(completed)),
    };
  };
  const rows = withOthers(
    models.map((model) => ({ ...model, live: 0, failed: 0 })),
    (row) => rowOf(nameOf(row), <Name>{shorten(nameOf(row), NAME_LENGTH)}</Name>, row.completed),
    ({ completed }, name) => rowOf(name, <>{name}</>, completed),
  );
  const full = Math.max(...rows.map(({ segments }) => segments[0]!.value), 0) || 1;
  return <Ranking id="ct-tp" rows={rows} full={full} empty="No task was completed in the last hour" />;
}

function table({ models }: Data): Table {
  return {
    columns: ["model_family", "model_id", "completed", "per_minute"],
    rows: models.map(({ model_family, model_id, completed, per_minute }) => [
      model_family,
      model_id,
      completed,
      per_minute,
    ]),
  };
}
