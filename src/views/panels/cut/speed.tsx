import { z } from "zod";
import { asWideAs, clean, count, counted, NONE, seconds, shorten } from "../../../metrics/format.ts";
import { MODEL_TIMES, type ModelEnds } from "../../../metrics/models.ts";
import { Mark, Name } from "../../components.tsx";
import { CUT_DATA, type CutPanel, type CutPart, cutData } from "../../cut.ts";
import { byNaturalOrder } from "../../identity.ts";
import { cutHref } from "../../links.ts";
import { fromField, MODEL_FIELDS, NAME_LENGTH, nameOf, windowWords } from "../../model-rows.ts";
import type { Table } from "../../panel.ts";
import { Part } from "../../part.tsx";
import { countField } from "../../schema.ts";

/** So many times the model's own median is slow, once enough tasks tell. */
const SLOW_FACTOR = 1.5;
const SLOW_FROM_TASKS = 5;
/** Rows and columns of the panel; the data has all. */
const MODELS_SHOWN = 6;
const TYPES_SHOWN = 5;
const NO_TYPE = "no type given";

const median = z
  .number()
  .describe(
    `Median processing time, seconds, of the completed tasks of the window: of each worker type the newest ${MODEL_TIMES} count`,
  );

const data = CUT_DATA.extend({
  from_ms: fromField,
  worker_types: z
    .array(z.string().nullable().describe("A worker type; null where not reported"))
    .describe("Worker types that completed some"),
  models: z
    .array(
      z.object({
        ...MODEL_FIELDS,
        completed: countField("Completed tasks"),
        median_s: median,
        on: z
          .array(
            z.object({
              worker_type: z.string().nullable().describe("Worker type; null where not reported"),
              completed: countField("Completed tasks"),
              median_s: median,
              ratio: z.number().describe("Its median ÷ the model's own over all worker types, ratio"),
              slow: z
                .boolean()
                .describe(`True where that is at least ${SLOW_FACTOR}, of at least ${SLOW_FROM_TASKS} tasks`),
            }),
          )
          .describe("The worker types that completed some of it"),
      }),
    )
    .describe("How long tasks of each model take on each worker type, most tasks first"),
});
type Data = z.output<typeof data>;
type Row = Data["models"][number];
type Cell = Row["on"][number];

export const speed: CutPanel<typeof data> = {
  name: "speed",
  title: "Which models are slow where",
  description:
    "the median processing time of each of its models on each worker type, and where that is long.",
  data,
  load,
  view,
  note: windowWords,
  table,
};

function load(part: CutPart): Data {
  const ended = part.read.endedByModel();
  const timed = (ended?.ends ?? []).filter(({ times_s }) => times_s.length > 0);
  const models = part.models.flatMap(({ model_family, model_id }) => {
    const own = timed.filter((ends) => ends.model_family === model_family && ends.model_id === model_id);
    return own.length === 0 ? [] : [rowOf(model_family, model_id, own)];
  });
  const worker_types = [...new Set(models.flatMap(({ on }) => on.map(({ worker_type }) => worker_type)))];
  return {
    ...cutData(part),
    from_ms: ended?.from_ms ?? null,
    worker_types: worker_types.sort((a, b) => byNaturalOrder(a ?? "", b ?? "")),
    models,
  };
}

function rowOf(model_family: string | null, model_id: string | null, ends: readonly ModelEnds[]): Row {
  const median_s = medianOf(ends);
  const types = [...new Set(ends.map(({ worker_type }) => worker_type))];
  return {
    model_family,
    model_id,
    completed: completedOf(ends),
    median_s,
    on: types.map((worker_type) => {
      const own = ends.filter((one) => one.worker_type === worker_type);
      const completed = completedOf(own);
      const own_s = medianOf(own);
      const ratio = median_s === 0 ? 1 : own_s / median_s;
      return {
        worker_type,
        completed,
        median_s: own_s,
        ratio,
        slow: ratio >= SLOW_FACTOR && completed >= SLOW_FROM_TASKS,
      };
    }),
  };
}

function completedOf(ends: readonly ModelEnds[]): number {
  return ends.reduce((sum, { completed }) => sum + completed, 0);
}

/** Of many tasks only the newest times are held: each of them weighs as many tasks as it stands for. */
function medianOf(ends: readonly ModelEnds[]): number {
  const weighed = ends
    .flatMap(({ completed, times_s }) =>
      times_s.map((time_s) => ({ time_s, weight: completed / times_s.length })),
    )
    .sort((a, b) => a.time_s - b.time_s);
  const half = weighed.reduce((sum, { weight }) => sum + weight, 0) / 2;
  let passed = 0;
  for (const { time_s, weight } of weighed) {
    passed += weight;
    if (passed >= half) return time_s;
  }
  return weighed.at(-1)?.time_s ?? 0;
}

function view({ models, worker_types, from_ms }: Data) {
  const types = worker_types.slice(0, TYPES_SHOWN);
  const hidden = { models: models.length - MODELS_SHOWN, types: worker_types.length - types.length };
  if (from_ms === null) return <p class="quiet">How long tasks of a model took is not known of the past</p>;
  if (models.length === 0) return <p class="quiet">No task was completed in the last hour</p>;
  return (
    <>
      <div class="cut-speeds">
        <table>
          <thead>
            <tr>
              <th scope="col">Median processing time</th>
              <th scope="col">all</th>
              {types.map((type) => (
                <th scope="col">
                  {type === null ? (
                    NO_TYPE
                  ) : (
                    <a href={cutHref("worker_type", type)}>
                      <Name>{shorten(type, NAME_LENGTH)}</Name>
                    </a>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {models.slice(0, MODELS_SHOWN).map((row, slot) => (
              <Part as="tr" id={`ct-s-${slot}`}>
                <th scope="row" title={clean(nameOf(row))}>
                  <Name>{shorten(nameOf(row), NAME_LENGTH)}</Name>
                </th>
                <td>
                  <b>{seconds(row.median_s)}</b>
                  <small>{asWideAs("9999", counted(row.completed, "task"))}</small>
                </td>
                {types.map((type, column) => (
                  <SpeedCell
                    column={column}
                    cell={row.on.find(({ worker_type }) => worker_type === type)}
                    alone={row.on.length === 1}
                  />
                ))}
              </Part>
            ))}
          </tbody>
        </table>
      </div>
      <p class="sub">
        <Mark tone="warning" /> {String(SLOW_FACTOR)} times the model's own median or more, of at least{" "}
        {count(SLOW_FROM_TASKS)} tasks
        {hidden.models > 0 ? `; ${counted(hidden.models, "more model")} in the JSON` : ""}
        {hidden.types > 0 ? `; ${counted(hidden.types, "more worker type")} in the JSON` : ""}
      </p>
    </>
  );
}

/** @param alone true where no other worker type completed any, so that there is nothing to compare with */
interface SpeedCellProps {
  column: number;
  cell: Cell | undefined;
  alone: boolean;
}

function SpeedCell({ column, cell, alone }: SpeedCellProps) {
  // The class tells a column's cells from the others': a morph moves none of equal content between them.
  const place = `on-${column}`;
  if (cell === undefined) {
    return (
      <td class={`${place} none`}>
        <span aria-hidden="true">{NONE}</span>
        <span class="vh">none completed here</span>
      </td>
    );
  }
  const { median_s, completed, ratio, slow } = cell;
  return (
    <td class={slow ? `${place} slow` : place}>
      <b>
        {slow ? (
          <>
            <Mark tone="warning" />
            <span class="vh">slow: </span>{" "}
          </>
        ) : null}
        {seconds(median_s)}
      </b>
      <small>
        {asWideAs("9999", count(completed))}
        {alone ? "" : ` · ${ratio.toFixed(1)} ×`}
      </small>
    </td>
  );
}

function table({ models }: Data): Table {
  return {
    columns: ["model_family", "model_id", "worker_type", "completed", "median_s", "ratio", "slow"],
    rows: models.flatMap(({ model_family, model_id, on }) =>
      on.map(({ worker_type, completed, median_s, ratio, slow }) => [
        model_family,
        model_id,
        worker_type,
        completed,
        median_s,
        ratio,
        String(slow),
      ]),
    ),
  };
}
