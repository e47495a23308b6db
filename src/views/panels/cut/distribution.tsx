import { z } from "zod";
import { asWideAs, clean, count, counted, shares, shorten } from "../../../metrics/format.ts";
import { Legend, Name } from "../../components.tsx";
import { CUT_DATA, type CutPanel, type CutPart, cutData, type TaskCut } from "../../cut.ts";
import { byNaturalOrder } from "../../identity.ts";
import { cutHref } from "../../links.ts";
import {
  byAmount,
  type Counts,
  countsBy,
  endedField,
  fromField,
  MODEL_FIELDS,
  NAME_LENGTH,
  nameOf,
  tasksOf,
  windowWords,
  withOthers,
} from "../../model-rows.ts";
import type { Markup, Table } from "../../panel.ts";
import { type RankedRow, Ranking } from "../../ranking.tsx";
import { countField } from "../../schema.ts";

const counts = {
  live: countField("Unfinished tasks of it"),
  completed: endedField("completed"),
  failed: endedField("failed and were not taken up again"),
  share: z.number().describe("Its part of all of these tasks, ratio, 0 to 1"),
};

const data = CUT_DATA.extend({
  from_ms: fromField,
  group_by: z.enum(["task_type", "model_family"]).describe("What the groups are told apart by"),
  groups: z
    .array(
      z.object({
        name: z.string().nullable().describe("The model family or task type; null where not reported"),
        ...counts,
      }),
    )
    .describe("Its tasks by model family or, of a model family, by task type; most tasks first"),
  models: z.array(z.object({ ...MODEL_FIELDS, ...counts })).describe("Its tasks by model, most tasks first"),
});
type Data = z.output<typeof data>;

export const distribution: CutPanel<typeof data> = {
  name: "distribution",
  title: "Distribution",
  description: "which models its tasks of the last hour are of, those that wait or run included.",
  data,
  load,
  view,
  note: windowWords,
  table,
};

const OTHER_CUT: Readonly<Record<TaskCut, TaskCut>> = {
  task_type: "model_family",
  model_family: "task_type",
};

function load(part: CutPart): Data {
  const group_by = OTHER_CUT[part.cut];
  const groups = countsBy(part.read, (kind) => ({ name: kind[group_by] }));
  groups.sort((a, b) => byAmount(a, b) || byNaturalOrder(a.name ?? "", b.name ?? ""));
  return {
    ...cutData(part),
    from_ms: part.read.endedByModel()?.from_ms ?? null,
    group_by,
    groups: withShares(groups),
    models: withShares(part.models),
  };
}

function withShares<T extends Counts>(rows: readonly T[]): (T & { share: number })[] {
  const all = allOf(rows);
  return rows.map((row) => ({ ...row, share: all === 0 ? 0 : tasksOf(row) / all }));
}

function allOf(rows: readonly Counts[]): number {
  return rows.reduce((sum, row) => sum + tasksOf(row), 0);
}

const GROUP_WORDS: Readonly<Record<TaskCut, { title: string; none: string }>> = {
  task_type: { title: "By task type", none: "no type given" },
  model_family: { title: "By model family", none: "no family given" },
};

function view({ group_by, groups, models }: Data) {
  const { title, none } = GROUP_WORDS[group_by];
  return (
    <>
      <h3 class="cut-head">
        {title}{" "}
        <Legend
          entries={[
            { series: 1, name: "ended" },
            { series: 3, name: "waits or runs" },
          ]}
        />
      </h3>
      <Shares
        id="ct-group"
        rows={groups}
        wordsOf={({ name }) => name ?? none}
        nameFor={({ name }) =>
          name === null ? (
            <>{none}</>
          ) : (
            <a href={cutHref(group_by, name)}>
              <Name>{shorten(name, NAME_LENGTH)}</Name>
            </a>
          )
        }
      />
      <h3 class="cut-head">By model</h3>
      <Shares<Data["models"][number]>
        id="ct-model"
        rows={models}
        wordsOf={nameOf}
        nameFor={(row) => <Name>{shorten(nameOf(row), NAME_LENGTH)}</Name>}
      />
    </>
  );
}

interface SharesProps<T> {
  id: string;
  rows: readonly T[];
  wordsOf(row: T): string;
  nameFor(row: T): Markup;
}

function Shares<T extends Counts>({ id, rows, wordsOf, nameFor }: SharesProps<T>) {
  const rowOf = (counts: Counts, words: string, name: Markup): RankedRow => {
    const { live, completed, failed } = counts;
    const tasks = tasksOf(counts);
    return {
      name,
      title: `${clean(words)}: ${counted(tasks, "task")}, ${count(live)} of them unfinished`,
      segments: [
        { series: 1, value: (completed ?? 0) + (failed ?? 0) },
        { series: 3, value: live },
      ],
      figure: "",
      beside: asWideAs("99999", count(tasks)),
    };
  };
  const shown = withOthers(
    rows,
    (row) => rowOf(row, wordsOf(row), nameFor(row)),
    (sum, name) => rowOf(sum, name, <>{name}</>),
  );
  const totals = shown.map(({ segments }) => segments.reduce((sum, { value }) => sum + value, 0));
  const texts = shares(totals);
  return (
    <Ranking
      id={id}
      rows={shown.map((row, place) => ({ ...row, figure: asWideAs("99.9", texts[place]!) }))}
      full={Math.max(1, ...totals)}
      empty="No task waits, runs or ended in the last hour"
    />
  );
}

function table({ models }: Data): Table {
  return {
    columns: ["model_family", "model_id", "unfinished", "completed", "failed", "share"],
    rows: models.map(({ model_family, model_id, live, completed, failed, share }) => [
      model_family,
      model_id,
      live,
      completed,
      failed,
      share,
    ]),
  };
}
