import { z } from "zod";
import { asWideAs, clean, count, counted, shorten } from "../../../metrics/format.ts";
import { WORKER_STATES } from "../../../metrics/model.ts";
import { Legend, Mark, Name, WORKER_TONE } from "../../components.tsx";
import { CUT_DATA, type CutPanel, type CutPart, cutData } from "../../cut.ts";
import { byNaturalOrder } from "../../identity.ts";
import { workerLabel } from "../../labels.ts";
import { cutHref, workerHref } from "../../links.ts";
import { endedField, fromField, NAME_LENGTH, windowWords } from "../../model-rows.ts";
import type { Table } from "../../panel.ts";
import { Part } from "../../part.tsx";
import { type RankedRow, Ranking } from "../../ranking.tsx";
import { countField, labelField } from "../../schema.ts";

/** Rows and places of the panel; the data has all. */
const TYPES_SHOWN = 5;
const WORKERS_SHOWN = 12;
const NO_TYPE = "no type given";

const typeField = z.string().nullable().describe("Worker type; null where not reported");

const data = CUT_DATA.extend({
  from_ms: fromField,
  worker_types: z
    .array(
      z.object({
        worker_type: typeField,
        workers: countField("Workers of the type that have some of its tasks now"),
        active: countField("Its tasks that run on them or are assigned to them"),
        completed: endedField("completed on them"),
        failed: endedField("failed on them and were not taken up again"),
      }),
    )
    .describe("Worker types that have its tasks now, or had some that ended in the window; most tasks first"),
  workers: z
    .array(
      z.object({
        worker_id: z.string().describe("The worker"),
        label: labelField,
        worker_type: typeField,
        state: z.enum(WORKER_STATES).describe("Its state"),
        running: countField("Its tasks that run there"),
        assigned: countField("Its tasks assigned to the worker and not started"),
      }),
    )
    .describe("Workers that have some of its tasks now, those with most first"),
});
type Data = z.output<typeof data>;
type TypeRow = Data["worker_types"][number];
type WorkerRow = Data["workers"][number];

export const assignment: CutPanel<typeof data> = {
  name: "assignment",
  title: "Worker assignment",
  description: "which worker types and workers run its tasks now, and did in the last hour.",
  data,
  load,
  view,
  note: windowWords,
  table,
};

function load(part: CutPart): Data {
  const workers = workersOf(part);
  const ended = part.read.endedByModel();
  return {
    ...cutData(part),
    from_ms: ended?.from_ms ?? null,
    worker_types: typesOf(workers, ended),
    workers,
  };
}

function workersOf({ read, whole }: CutPart): WorkerRow[] {
  return read
    .workers()
    .filter((worker) => worker.running_tasks + worker.queued_tasks > 0)
    .map(({ id, type, state, running_tasks, queued_tasks }) => ({
      worker_id: id,
      label: workerLabel(whole, id),
      worker_type: type,
      state,
      running: running_tasks,
      assigned: queued_tasks,
    }))
    .sort((a, b) => activeOf(b) - activeOf(a) || byNaturalOrder(a.worker_id, b.worker_id));
}

function activeOf({ running, assigned }: Pick<WorkerRow, "running" | "assigned">): number {
  return running + assigned;
}

function typesOf(
  workers: readonly WorkerRow[],
  ended: ReturnType<CutPart["read"]["endedByModel"]>,
): TypeRow[] {
  const rows = new Map<string | null, TypeRow>();
  const counted = ended === null ? null : 0;
  const row = (worker_type: string | null) => {
    const known = rows.get(worker_type) ?? {
      worker_type,
      workers: 0,
      active: 0,
      completed: counted,
      failed: counted,
    };
    rows.set(worker_type, known);
    return known;
  };
  for (const { worker_type, running, assigned } of workers) {
    const ofType = row(worker_type);
    ofType.workers += 1;
    ofType.active += activeOf({ running, assigned });
  }
  for (const { worker_type, completed, failed } of ended?.ends ?? []) {
    const ofType = row(worker_type);
    ofType.completed! += completed;
    ofType.failed! += failed;
  }
  return [...rows.values()].sort(
    (a, b) => endedOf(b) - endedOf(a) || byNaturalOrder(a.worker_type ?? "", b.worker_type ?? ""),
  );
}

function endedOf({ completed, failed }: TypeRow): number {
  return (completed ?? 0) + (failed ?? 0);
}

function view({ worker_types, workers }: Data) {
  const shown = worker_types.slice(0, TYPES_SHOWN);
  const hidden = worker_types.length - shown.length;
  return (
    <>
      <h3 class="cut-head">
        By worker type{" "}
        <Legend
          entries={[
            { series: 1, name: "ended" },
            { series: 3, name: "now" },
          ]}
        />
      </h3>
      <Ranking
        id="ct-wt"
        rows={shown.map(typeRow)}
        full={Math.max(1, ...shown.map((row) => endedOf(row) + row.active))}
        empty="No worker has or had any of them in the last hour"
      />
      {hidden > 0 ? <p class="more">{`and ${counted(hidden, "more worker type")}`}</p> : null}
      <h3 class="cut-head">Workers that have some now</h3>
      <Places workers={workers} />
    </>
  );
}

function typeRow(row: TypeRow): RankedRow {
  const { worker_type, workers, active } = row;
  const ended = row.completed === null ? null : endedOf(row);
  return {
    name:
      worker_type === null ? (
        NO_TYPE
      ) : (
        <a href={cutHref("worker_type", worker_type)}>
          <Name>{shorten(worker_type, NAME_LENGTH)}</Name>
        </a>
      ),
    title: `${clean(worker_type ?? NO_TYPE)}: ${counted(active, "task")} now on ${counted(workers, "worker")}, ${ended === null ? "those that ended not counted" : `${count(ended)} ended`}`,
    segments: [
      { series: 1, value: ended ?? 0 },
      { series: 3, value: active },
    ],
    figure: `${asWideAs("999", count(active))}\u00a0now`,
    beside: asWideAs("99999", count(ended)),
  };
}

/** Places in a fixed number: who comes and goes changes the places and moves nothing. */
function Places({ workers }: Pick<Data, "workers">) {
  const hidden = workers.length - WORKERS_SHOWN;
  return (
    <>
      <ul class="cut-places">
        {Array.from({ length: WORKERS_SHOWN }, (_, slot) => {
          const worker = workers[slot];
          if (worker === undefined) return <Part as="li" id={`ct-w-${slot}`} aria-hidden="true" />;
          const { worker_id, label, worker_type, state, running, assigned } = worker;
          const words = `${clean(shorten(worker_id, NAME_LENGTH))}: ${clean(worker_type ?? NO_TYPE)}, ${state}, ${count(running)} running, ${count(assigned)} assigned`;
          return (
            <Part as="li" id={`ct-w-${slot}`} title={words}>
              <a href={workerHref(worker_id)}>
                <Name>{label}</Name>
              </a>
              {state === "active" ? null : (
                <>
                  <Mark tone={WORKER_TONE[state]} />
                  <span class="vh">{state}</span>
                </>
              )}
              <span class="figure">{asWideAs("99", count(activeOf(worker)))}</span>
            </Part>
          );
        })}
      </ul>
      <Part as="p" id="ct-w-more" class="more">
        {workers.length === 0
          ? "none has any at this moment"
          : hidden > 0
            ? `and ${counted(hidden, "more worker")}`
            : ""}
      </Part>
    </>
  );
}

function table({ workers }: Data): Table {
  return {
    columns: ["worker_id", "worker_type", "state", "running", "assigned"],
    rows: workers.map(({ worker_id, worker_type, state, running, assigned }) => [
      worker_id,
      worker_type,
      state,
      running,
      assigned,
    ]),
  };
}
