import { z } from "zod";
import { asWideAs, clean, count, measure, shorten } from "../../../metrics/format.ts";
import { Mark, Name } from "../../components.tsx";
import { CUT_DATA, type CutPanel, type CutPart, cutData } from "../../cut.ts";
import {
  type Counts,
  endedField,
  fromField,
  MODEL_FIELDS,
  NAME_LENGTH,
  nameOf,
  windowWords,
  withOthers,
} from "../../model-rows.ts";
import type { Markup, Table } from "../../panel.ts";
import { type RankedRow, Ranking } from "../../ranking.tsx";

/** A smaller part than this completes: that is low, once enough tasks ended to tell. */
const LOW_RATIO = 0.9;
const LOW_FROM_TASKS = 20;

const data = CUT_DATA.extend({
  from_ms: fromField,
  models: z
    .array(
      z.object({
        ...MODEL_FIELDS,
        completed: endedField("completed"),
        failed: endedField("failed and were not taken up again"),
        success_ratio: z
          .number()
          .nullable()
          .describe("Completed ÷ (completed + failed), ratio, 0 to 1; null where none ended"),
        low: z
          .boolean()
          .describe(
            `True where fewer than ${100 * LOW_RATIO} % of at least ${LOW_FROM_TASKS} tasks completed`,
          ),
      }),
    )
    .describe("How many tasks of each model complete; those that are low first, then most tasks first"),
});
type Data = z.output<typeof data>;

export const completion: CutPanel<typeof data> = {
  name: "completion",
  title: "Completion rate",
  description: "what part of its tasks completes, by model, marked where that is low.",
  data,
  load,
  view,
  note: windowWords,
  table,
};

function load(part: CutPart): Data {
  const models = part.models.map(({ model_family, model_id, completed, failed }) => {
    const success_ratio = ratioOf({ completed, failed });
    return { model_family, model_id, completed, failed, success_ratio, low: isLow({ completed, failed }) };
  });
  return {
    ...cutData(part),
    from_ms: part.read.endedByModel()?.from_ms ?? null,
    models: models.sort((a, b) => Number(b.low) - Number(a.low)),
  };
}

type Ended = Pick<Counts, "completed" | "failed">;

function ratioOf({ completed, failed }: Ended): number | null {
  if (completed === null || failed === null || completed + failed === 0) return null;
  return completed / (completed + failed);
}

function isLow(ended: Ended): boolean {
  const ratio = ratioOf(ended);
  return (
    ratio !== null && ratio < LOW_RATIO && (ended.completed ?? 0) + (ended.failed ?? 0) >= LOW_FROM_TASKS
  );
}

function view({ models }: Data) {
  const rows = withOthers(
    models.map((model) => ({ ...model, live: 0 })),
    (model) => rowOf(nameOf(model), <Name>{shorten(nameOf(model), NAME_LENGTH)}</Name>, model),
    (sum, name) => rowOf(name, <>{name}</>, sum),
  );
  return (
    <>
      <Ranking id="ct-rate" rows={rows} full={1} empty="No task ended in the last hour" />
      <p class="sub">
        <Mark tone="warning" /> below {measure(LOW_RATIO * 100, "percent")} of at least{" "}
        {count(LOW_FROM_TASKS)} tasks
      </p>
    </>
  );
}

function rowOf(words: string, name: Markup, ended: Ended): RankedRow {
  const { completed, failed } = ended;
  const ratio = ratioOf(ended);
  const low = isLow(ended);
  const tasks = completed === null || failed === null ? null : completed + failed;
  return {
    name: low ? (
      <>
        <Mark tone="warning" /> <span class="vh">low: </span>
        {name}
      </>
    ) : (
      name
    ),
    title: `${clean(words)}: ${count(completed)} of ${count(tasks)} completed${low ? ", which is low" : ""}`,
    segments: [{ series: 1, value: ratio ?? 0 }],
    figure: asWideAs("99.9", measure(ratio, "ratio")),
    beside: asWideAs("9999", `of ${count(tasks)}`),
  };
}

function table({ models }: Data): Table {
  return {
    columns: ["model_family", "model_id", "completed", "failed", "success_ratio", "low"],
    rows: models.map(({ model_family, model_id, completed, failed, success_ratio, low }) => [
      model_family,
      model_id,
      completed,
      failed,
      success_ratio,
      String(low),
    ]),
  };
}
