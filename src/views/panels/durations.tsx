import { z } from "zod";
import { counted, seconds } from "../../metrics/format.ts";
import type { DurationsQuery, Read } from "../../metrics/read.ts";
import { EmptyState, Histogram } from "../components.tsx";
import { CUT_FILTERS, cutOf } from "../history.ts";
import { definePanel, type Table } from "../panel.ts";
import { at_ms } from "../schema.ts";
import { WINDOW, type Window, windowOf } from "../window.ts";

const KINDS = ["queue_time", "processing_time", "total_time"] as const;
const LABEL: Record<(typeof KINDS)[number], string> = {
  queue_time: "Queue time",
  processing_time: "Processing time",
  total_time: "Latency",
};
/** Bars of one drawing, each of an equal ratio. */
const BARS = 32;
const HEIGHT = 72;

const duration = z.object({
  name: z.enum(KINDS).describe("Which duration"),
  count: z.number().describe("Tasks, count"),
  mean_s: z.number().nullable().describe("Mean, seconds; null where there is no task"),
  p50_s: z.number().nullable().describe("Half of the tasks take no longer, seconds"),
  p95_s: z.number().nullable().describe("95 % of the tasks take no longer, seconds"),
  p99_s: z.number().nullable().describe("99 % of the tasks take no longer, seconds"),
  bars: z
    .array(
      z.object({
        from_s: z.number().describe("Lower bound, seconds"),
        to_s: z.number().describe("Upper bound, seconds"),
        count: z.number().describe("Tasks between them, count"),
      }),
    )
    .describe("The distribution, shortest first; what is empty is left out"),
});

const data = z.object({
  at_ms,
  from_ms: z
    .number()
    .describe("Start of the window, Unix milliseconds, a whole minute or quarter of an hour"),
  to_ms: z.number().describe("End of the window, Unix milliseconds, likewise"),
  tier_s: z
    .number()
    .describe(
      "What the window is widened to whole ones of: 60 where every minute is kept, 900 where it begins more than a day ago and quarters of an hour are left",
    ),
  uncounted: z
    .string()
    .nullable()
    .describe("Why durations are not counted by what is filtered; null where they are"),
  durations: z
    .array(duration)
    .describe("Queue, processing and total time of the window's tasks; none where they are not counted"),
});

type Data = z.output<typeof data>;
type Duration = Data["durations"][number];

const params = WINDOW.omit({ step: true, points: true }).extend(CUT_FILTERS.shape);

export const durations = definePanel({
  id: "durations",
  title: "How long tasks took",
  description: "Queue, processing and total time of all tasks of a window: percentiles and distribution.",
  api: "/api/metrics/tasks/durations",
  params,
  data,
  live: false,
  load,
  view: ({ uncounted, durations }) =>
    uncounted === null ? (
      <div class="charts">
        {durations.map((one) => (
          <Distribution duration={one} />
        ))}
      </div>
    ) : (
      <EmptyState title="Not counted">
        <p>{uncounted}</p>
      </EmptyState>
    ),
  note: ({ tier_s }) =>
    tier_s > 60
      ? "over all tasks of the window, in whole quarters of an hour beyond a day"
      : "over all tasks of the window",
  table,
});

function load(read: Read, given: z.output<typeof params>): Data {
  const { scope, entity } = cutOf(given);
  const kinds = scope === "worker_type" ? [] : KINDS;
  const window = windowOf({ ...given, step: undefined, points: undefined }, read.now_ms);
  const { from_ms, to_ms, tier_s } = widened(window, read);
  const step_ms = to_ms - from_ms;
  return {
    at_ms: read.now_ms,
    from_ms,
    to_ms,
    tier_s,
    uncounted:
      scope === "worker_type"
        ? "How long tasks took is kept by task type and model family, not by worker type."
        : null,
    durations: kinds.map((kind) => {
      const query = { scope, entity, duration: kind, from_ms, to_ms, step_ms } as DurationsQuery;
      const [whole] = read.durations(query);
      if (!whole)
        return { name: kind, count: 0, mean_s: null, p50_s: null, p95_s: null, p99_s: null, bars: [] };
      return { name: kind, ...whole, bars: whole.bars.map((bar) => ({ ...bar })) };
    }),
  };
}

/** Both ends as what they lie in is kept: the whole minute, or the whole quarter of an hour. */
function widened({ from_ms, to_ms }: Window, read: Read): Pick<Data, "from_ms" | "to_ms" | "tier_s"> {
  const [tier_s, last_tier_s] = [read.durationsTier_s(from_ms), read.durationsTier_s(to_ms)];
  const [first_ms, last_ms] = [tier_s * 1000, last_tier_s * 1000];
  return {
    from_ms: Math.floor(from_ms / first_ms) * first_ms,
    to_ms: Math.ceil(to_ms / last_ms) * last_ms,
    tier_s,
  };
}

function Distribution({ duration }: { duration: Duration }) {
  const { name, p50_s, p95_s, p99_s } = duration;
  return (
    <figure class="chart distribution">
      <figcaption>
        <span>{LABEL[name]}</span>
        <span class="legend">
          <span>
            p50 <b>{seconds(p50_s)}</b>
          </span>
          <span>
            p95 <b>{seconds(p95_s)}</b>
          </span>
          <span>
            p99 <b>{seconds(p99_s)}</b>
          </span>
        </span>
      </figcaption>
      <Histogram bins={merged(duration.bars)} hot={BARS} label={inWords(duration)} tall={HEIGHT} />
      <div class="axis" aria-hidden="true">
        <span>{seconds(duration.bars[0]?.from_s ?? null)}</span>
        <span>{counted(duration.count, "task")}</span>
        <span>{seconds(duration.bars.at(-1)?.to_s ?? null)}</span>
      </div>
    </figure>
  );
}

/** Bars of equal ratio between the shortest and the longest: durations spread over orders of magnitude. */
function merged(bars: Duration["bars"]): number[] {
  const sizes = new Array<number>(BARS).fill(0);
  const [first, last] = [bars[0], bars.at(-1)];
  if (!first || !last) return sizes;
  const from = Math.log(Math.max(first.from_s, first.to_s / 2));
  const length = Math.max(Math.log(last.to_s) - from, Number.EPSILON);
  for (const { from_s, to_s, count: size } of bars) {
    const middle = (Math.log(Math.max(from_s, to_s / 2)) + Math.log(to_s)) / 2;
    const place = Math.floor(((middle - from) / length) * BARS);
    sizes[Math.max(0, Math.min(BARS - 1, place))]! += size;
  }
  return sizes;
}

function inWords({ name, count: tasks, p50_s, p95_s, p99_s, bars }: Duration): string {
  if (tasks === 0) return `${LABEL[name]}: no task in this window.`;
  const span = `from ${seconds(bars[0]!.from_s)} to ${seconds(bars.at(-1)!.to_s)}`;
  return `${LABEL[name]} of ${counted(tasks, "task")}, ${span}: p50 ${seconds(p50_s)}, p95 ${seconds(p95_s)}, p99 ${seconds(p99_s)}.`;
}

function table(data: Data): Table {
  return {
    columns: ["duration", "from_s", "to_s", "count"],
    rows: data.durations.flatMap(({ name, bars }) =>
      bars.map(({ from_s, to_s, count: tasks }) => [name, from_s, to_s, tasks]),
    ),
  };
}
