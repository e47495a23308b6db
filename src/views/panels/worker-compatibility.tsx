import { z } from "zod";
import { counted, measure, quantity } from "../../metrics/format.ts";
import { MODALITIES, type Modality } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { Bars, EmptyState, Figure, joined } from "../components.tsx";
import { definePanel, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms } from "../schema.ts";
import { seriesByType } from "../series.ts";
import { WORKER_PARAMS, workerSubject } from "../subject.ts";

const compatibility = z.object({
  score: z.number().nullable().describe("0 to 100; null where neither its hardware nor any task tells"),
  prior: z
    .number()
    .nullable()
    .describe("What its hardware promises, 0 to 1; null where nothing is known of it"),
  observed: z
    .object({
      tasks: z.number().describe("Tasks that completed or failed in the last 24 hours, count"),
      completed: z.number().describe("Those that completed, count"),
      success_ratio: z.number().describe("Completed ÷ tasks, ratio"),
      speed: z
        .number()
        .nullable()
        .describe(
          "The fleet's median time ÷ its own, for the same models, at most 1; null where no time can be compared",
        ),
    })
    .nullable()
    .describe("What its tasks came to; null without any"),
});

const data = z.object({
  at_ms,
  worker_id: z.string().describe("The worker"),
  modalities: z
    .record(z.enum(MODALITIES), compatibility)
    .nullable()
    .describe("By modality; null of a worker that is gone, and of the past: not kept"),
});

type Data = z.output<typeof data>;
type Compatibility = z.output<typeof compatibility>;

export const workerCompatibility = definePanel({
  id: "worker-compatibility",
  title: "Compatibility",
  description: "How well one worker suits each modality, by its hardware and by what its tasks came to.",
  api: "/api/metrics/workers/:worker_id/compatibility",
  params: WORKER_PARAMS,
  example: { worker_id: "W1" },
  data,
  past: true,
  load,
  view,
  note: () => "hardware, and tasks of 24 h",
  table,
});

function load(read: Read, { worker_id }: z.output<typeof WORKER_PARAMS>): Data {
  workerSubject(read, worker_id);
  const scores = read.scores(worker_id);
  return {
    at_ms: read.now_ms,
    worker_id,
    modalities: scores ? structuredClone(scores.compatibility) : null,
  };
}

const SERIES = seriesByType(MODALITIES);

function view({ modalities }: Data) {
  if (modalities === null) {
    return (
      <EmptyState title="Not kept">
        <p>Compatibility is told of the present alone, and of workers that are known.</p>
      </EmptyState>
    );
  }
  return (
    <ul class="compatibility">
      {MODALITIES.map((modality) => (
        <Row modality={modality} of={modalities[modality]} />
      ))}
    </ul>
  );
}

function Row({ modality, of: { score, prior, observed } }: { modality: Modality; of: Compatibility }) {
  return (
    <Part as="li" id={`wc-${modality}`}>
      <h3>{modality}</h3>
      <Bars values={[[SERIES.get(modality) ?? 1, score]]} />
      <p class="figure">
        <Figure value={quantity(score, "percent")} />
      </p>
      <p class="sub">
        {joined([
          prior === null ? "hardware not known" : `hardware ${measure(prior, "ratio")}`,
          observed === null
            ? "no task of it in 24 h"
            : `${measure(observed.success_ratio, "ratio")} of ${counted(observed.tasks, "task")} completed`,
          observed === null || observed.speed === null ? null : `speed ${measure(observed.speed, "ratio")}`,
        ])}
      </p>
    </Part>
  );
}

function table({ modalities }: Data): Table {
  return {
    columns: ["modality", "score", "prior", "tasks_24h", "completed_24h", "success_ratio", "speed"],
    rows:
      modalities === null
        ? []
        : MODALITIES.map((modality) => {
            const { score, prior, observed } = modalities[modality];
            return [
              modality,
              score,
              prior,
              observed?.tasks ?? null,
              observed?.completed ?? null,
              observed?.success_ratio ?? null,
              observed?.speed ?? null,
            ];
          }),
  };
}
