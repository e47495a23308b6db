import { z } from "zod";
import { findMetric } from "../../metrics/catalogue.ts";
import { asWideAs, clean, count, counted, measure, quantity, shares, shorten } from "../../metrics/format.ts";
import { endOfMinute, type LinkTemplate, linksOut } from "../../metrics/links-out.ts";
import type { Capabilities, Gpu, Worker } from "../../metrics/model.ts";
import { loadParts, OVERLOAD_THRESHOLDS } from "../../metrics/process/scores.ts";
import type { Read } from "../../metrics/read.ts";
import { Ago, Bars, Figure, joined, Mark, more, Name, StateMark, Time, WORKER_TONE } from "../components.tsx";
import { DRIFT, type Drift, driftIn } from "../drift.ts";
import { cutHref } from "../links.ts";
import { LINKS_OUT, LinksOut } from "../links-out.tsx";
import { definePanel, type Markup, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms } from "../schema.ts";
import type { SeriesNumber } from "../series.ts";
import { isHeard, WORKER_PARAMS, workerSubject } from "../subject.ts";
import { metricOf, shownWorker, stateInWords, WORKER } from "./worker-grid.tsx";

/** What is listed at most; the JSON has all of it. */
const CAPABILITIES_LIMIT = 16;
const TAGS_LIMIT = 24;
const VALUES_LIMIT = 12;
const GPUS_LIMIT = 16;
const TEXT_LENGTH = 64;
const HOUR_MS = 3_600_000;

/** Beyond it a device counts as saturated, percent. */
const SATURATED = new Map<string, number>(OVERLOAD_THRESHOLDS).get("gpu_utilization_max")!;

const factor = (what: string) => z.number().describe(`${what}, 0 to 1`);

const healthField = z
  .object({
    score: z.number().describe("100 × freshness × pressure × success, 0 to 100"),
    freshness: z
      .object({
        factor: factor("1 until its report is overdue, then falling to 0, where it is lost"),
        silence_ms: z.number().describe("Since its last report, milliseconds"),
      })
      .describe("How recently it was heard of"),
    pressure: z
      .object({
        factor: factor("1 while no resource is beyond its overload threshold"),
        cause: z
          .object({
            metric: z.string().describe("The resource, a metric of the catalogue"),
            value: z.number().describe("Its value, percent"),
            threshold: z.number().describe("What it is beyond, percent"),
          })
          .nullable()
          .describe("The resource that is furthest beyond its threshold; null where none is"),
      })
      .describe("Whether it has room left"),
    success: z
      .object({
        factor: factor("Share of its last tasks that completed, smoothed: few tasks say little"),
        completed: z.number().describe("Those that completed, count"),
        tasks: z.number().describe("Its last tasks that completed or failed, count"),
      })
      .describe("What became of its last tasks"),
  })
  .nullable()
  .describe("What its health is made of; null of a worker that is gone, and of the past: not kept");

const data = z.object({
  at_ms,
  worker_id: z.string().describe("The worker"),
  gone_ms: z
    .number()
    .nullable()
    .describe("When it was forgotten, Unix milliseconds; null while it is known. Then all is as it last was"),
  since_ms: z.number().nullable().describe("Since when it is in its state, Unix milliseconds"),
  first_seen_ms: z.number().describe("When it was first heard of, Unix milliseconds"),
  interval_ms: z.number().describe("How often it reports, milliseconds"),
  ...WORKER.shape,
  capabilities: z
    .record(z.string(), z.union([z.string(), z.number(), z.array(z.string()), z.null()]))
    .describe("What it has and can do, by name, as its sources gave it"),
  version_drift: DRIFT.nullable().describe(
    "Its version where most workers of its type have another one; null where it is the same or not told",
  ),
  gpus: z
    .array(
      z.object({
        index: z.number().describe("Number of the device"),
        utilization: z.number().nullable().describe("GPU time in use, percent"),
        memory_utilization: z.number().nullable().describe("GPU memory in use, percent"),
        temperature_celsius: z.number().nullable().describe("Temperature, degrees Celsius"),
        throttled: z
          .boolean()
          .nullable()
          .describe("Whether heat or too little power slows it down; null where it does not tell"),
      }),
    )
    .describe("Each GPU for itself; none of the past: not kept"),
  health_parts: healthField,
  load_parts: z
    .array(
      z.object({
        metric: z.string().describe("The resource, a metric of the catalogue"),
        value: z.number().describe("Its value, percent"),
        weight: z.number().describe("Its weight among those reported, 0 to 1"),
      }),
    )
    .describe("What its load is the sum of, weight × value each"),
  links: LINKS_OUT,
});

type Data = z.output<typeof data>;

export const worker = definePanel({
  id: "worker",
  title: "Worker state",
  description:
    "One worker: its state, what it can do, its health and load with what they are made of, and each of its GPUs.",
  api: "/api/metrics/workers/:worker_id",
  params: WORKER_PARAMS,
  example: { worker_id: "W1" },
  data,
  past: true,
  load,
  view,
  note: ({ gone_ms }) => (gone_ms === null ? "" : "gone: as of its last report"),
  table,
});

function load(read: Read, { worker_id }: z.output<typeof WORKER_PARAMS>): Data {
  const { worker: known, gone_ms } = workerSubject(read, worker_id);
  return {
    at_ms: read.now_ms,
    worker_id,
    gone_ms,
    since_ms: gone_ms ?? read.life(worker_id, 1)[0]?.at_ms ?? null,
    first_seen_ms: known.first_seen_ms,
    interval_ms: known.interval_ms,
    ...shownWorker(known),
    capabilities: withoutPrototype(known.capabilities),
    version_drift: gone_ms === null ? driftIn(read)(known) : null,
    gpus: known.gpus.map(deviceOf),
    health_parts: structuredClone(read.scores(worker_id)?.health ?? null),
    load_parts: loadParts(known.metrics),
    links: linksOf(read, known, gone_ms),
  };
}

/** Its last hour elsewhere. */
function linksOf(read: Read, { id, type, hostname, source }: Worker, gone_ms: number | null): LinkTemplate[] {
  const to_ms = endOfMinute(gone_ms ?? read.now_ms);
  return linksOut<"worker">(read.self.links.worker, {
    worker: id,
    worker_type: type,
    hostname,
    source,
    from_ms: to_ms - HOUR_MS,
    to_ms,
  });
}

/** A name may be "__proto__": without a prototype it is a key like any other. */
function withoutPrototype(given: Readonly<Capabilities>): Data["capabilities"] {
  const capabilities: Data["capabilities"] = Object.create(null);
  for (const [name, value] of Object.entries(given)) capabilities[name] = value;
  return capabilities;
}

function deviceOf({
  index,
  utilization,
  memory_utilization,
  temperature_celsius,
  throttled,
}: Gpu): Data["gpus"][number] {
  return {
    index,
    utilization: utilization ?? null,
    memory_utilization: memory_utilization ?? null,
    temperature_celsius: temperature_celsius ?? null,
    throttled: throttled ?? null,
  };
}

function view(data: Data) {
  return (
    <>
      <Head data={data} />
      <div class={isSilent(data) ? "worker-parts silent" : "worker-parts"}>
        <Abilities data={data} />
        <Health data={data} />
        <Load data={data} />
        <Gpus data={data} />
      </div>
    </>
  );
}

/** What is told is what it last reported. */
function isSilent(data: Data): boolean {
  return data.gone_ms !== null || !isHeard(data);
}

/** Of when figures are that a silent worker reported; while it reports, what they are. */
function AsOf({ data, children }: { data: Data; children: string }) {
  if (!isSilent(data)) return <small>{children}</small>;
  return (
    <small class="as-of">
      last report, silent <Ago since_ms={data.last_report_ms} lasting />
    </small>
  );
}

function Head({ data }: { data: Data }) {
  const { state, overload, gone_ms, since_ms } = data;
  const gone = gone_ms !== null;
  return (
    <div class="worker-head">
      <Part id="wk-state" class="worker-state">
        <p class="v">
          <Mark tone={gone ? "gone" : WORKER_TONE[state]} /> {gone ? "Gone" : upperFirst(stateInWords(data))}
        </p>
        <p class="sub">
          {since_ms === null ? null : gone ? (
            <>
              since <Time at_ms={since_ms} full />
            </>
          ) : (
            <Ago since_ms={since_ms} lasting />
          )}
        </p>
        <p class="sub">
          {gone
            ? `it was ${state} before`
            : overload === null
              ? ""
              : `${labelOf(overload.metric)} ${measure(overload.value, "percent")}, beyond ${measure(overload.threshold, "percent")}`}
        </p>
      </Part>
      <dl class="worker-facts">
        <Part as="div" id="wk-tasks">
          <dt>Tasks</dt>
          <dd title="Pending: assigned to it and not started">
            {joined([
              `${count(data.running_tasks)} running, ${count(data.queued_tasks)} pending`,
              data.orphaned_tasks === 0 ? null : `${count(data.orphaned_tasks)} orphaned`,
            ])}
          </dd>
        </Part>
        <div>
          <dt>Type</dt>
          <dd>
            {data.type === null ? (
              "not reported"
            ) : (
              <a href={cutHref("worker_type", data.type)}>
                <Name>{shorten(data.type, TEXT_LENGTH)}</Name>
              </a>
            )}
          </dd>
        </div>
        <div>
          <dt>Host</dt>
          <dd>
            {data.hostname === null ? "not reported" : <Name>{shorten(data.hostname, TEXT_LENGTH)}</Name>}
          </dd>
        </div>
        <OtherVersion drift={data.version_drift} type={data.type} />
        <div>
          <dt>Reported by</dt>
          <dd>
            <Name>{shorten(data.source, TEXT_LENGTH)}</Name>
          </dd>
        </div>
        <Part as="div" id="wk-heard">
          <dt>Last report</dt>
          <dd>
            <Ago since_ms={data.last_report_ms} />{" "}
            <small>· each {measure(data.interval_ms / 1000, "seconds")}</small>
          </dd>
        </Part>
        <div>
          <dt>First seen</dt>
          <dd>
            <Time at_ms={data.first_seen_ms} full />
          </dd>
        </div>
        {data.links.length === 0 ? null : (
          <Part as="div" id="wk-links">
            <dt>Elsewhere</dt>
            <dd>
              <LinksOut links={data.links} />
            </dd>
          </Part>
        )}
      </dl>
    </div>
  );
}

/** Said only where it differs from its peers'. */
function OtherVersion({ drift, type }: { drift: Drift | null; type: string | null }) {
  if (drift === null) return null;
  const { what, version, usual, workers, of } = drift;
  return (
    <div>
      <dt>{what === "version" ? "Version" : "Agent version"}</dt>
      <dd>
        <Name>{shorten(version, TEXT_LENGTH)}</Name>{" "}
        <small>
          · {count(workers)} of {count(of)} {type === null ? "" : <Name>{shorten(type, TEXT_LENGTH)}</Name>}{" "}
          workers have <Name>{shorten(usual, TEXT_LENGTH)}</Name>
        </small>
      </dd>
    </div>
  );
}

function Abilities({ data }: { data: Data }) {
  const all = Object.entries(data.capabilities).filter(([, value]) => value !== null);
  return (
    <div class="worker-abilities">
      <h3>Capabilities</h3>
      {all.length === 0 ? <p class="quiet">None reported</p> : null}
      <dl class="pairs">
        {all.slice(0, CAPABILITIES_LIMIT).map(([name, value]) => (
          <div>
            <dt>
              <Name>
                {shorten(ABILITY_LABELS[name] ?? upperFirst(name.replaceAll("_", " ")), TEXT_LENGTH)}
              </Name>
            </dt>
            <dd>
              <Name>{abilityInWords(name, value)}</Name>
            </dd>
          </div>
        ))}
      </dl>
      {all.length > CAPABILITIES_LIMIT ? <p class="more">{more(all.length - CAPABILITIES_LIMIT)}</p> : null}
      <h3>Tags</h3>
      {data.tags.length === 0 ? <p class="quiet">None</p> : null}
      <ul class="tags">
        {data.tags.slice(0, TAGS_LIMIT).map((tag) => (
          <li>
            <Name>{shorten(tag, TEXT_LENGTH)}</Name>
          </li>
        ))}
        {data.tags.length > TAGS_LIMIT ? <li>{more(data.tags.length - TAGS_LIMIT)}</li> : null}
      </ul>
    </div>
  );
}

/** Names whose words are spelled otherwise; any other is shown as it is. */
const ABILITY_LABELS: Readonly<Partial<Record<string, string>>> = Object.assign(Object.create(null), {
  cpu_cores: "CPU cores",
  cpu_model: "CPU model",
  disk_bytes: "Disk",
  memory_bytes: "Memory",
  gpu_memory_bytes: "GPU memory",
  gpus: "GPUs",
  gpu_count: "GPUs",
  gpu_model: "GPU model",
});

function abilityInWords(name: string, value: Data["capabilities"][string] | undefined): string {
  if (typeof value === "number") return measure(value, name.endsWith("_bytes") ? "bytes" : "count");
  if (!Array.isArray(value)) return shorten(value ?? "", TEXT_LENGTH);
  const shown = value.slice(0, VALUES_LIMIT).map((one) => shorten(one, TEXT_LENGTH));
  return [shown.join(", "), more(value.length - shown.length)].filter(Boolean).join(" ");
}

function Health({ data }: { data: Data }) {
  const { health_parts: parts } = data;
  return (
    <Part id="wk-health" class="worker-score">
      <h3>
        Health <small>freshness × pressure × success</small>
      </h3>
      <p class="v">
        <Figure value={quantity(parts?.score ?? metricOf(data, "health"), "score")} />
        <small> of 100</small>
      </p>
      {parts === null ? (
        <p class="quiet">Only the score is kept, not its parts.</p>
      ) : (
        <ul class="parts">
          <ScorePart name="Freshness" share={parts.freshness.factor}>
            {parts.freshness.factor === 1 ? "reports in time" : "its report is overdue"}
          </ScorePart>
          <ScorePart name="Pressure" share={parts.pressure.factor} reported>
            {(isSilent(data) ? "last: " : "") + pressureInWords(parts.pressure.cause)}
          </ScorePart>
          <ScorePart name="Success" share={parts.success.factor}>
            {parts.success.tasks === 0
              ? "no task has ended yet"
              : `${count(parts.success.completed)} of the last ${counted(parts.success.tasks, "task")} completed, smoothed`}
          </ScorePart>
        </ul>
      )}
    </Part>
  );
}

function pressureInWords(cause: NonNullable<Data["health_parts"]>["pressure"]["cause"]): string {
  if (cause === null) return "no resource beyond its threshold";
  const { metric, value, threshold } = cause;
  return `${labelOf(metric)} ${measure(value, "percent")}, threshold ${measure(threshold, "percent")}`;
}

interface ScorePartProps {
  name: string;
  share: number;
  /** Whether it follows from what the worker reports, and so from its last report once it is silent. */
  reported?: boolean;
  children: string;
}

function ScorePart({ name, share, reported = false, children }: ScorePartProps) {
  return (
    <li class={reported ? "reported" : undefined}>
      <span class="name">{name}</span>
      <Bars values={[[1, share * 100]]} />
      <span class="figure">{asWideAs("99.9", measure(share, "ratio"))}</span>
      <span class="why">{children}</span>
    </li>
  );
}

/** The colour of each resource, the same as in its trend. */
const RESOURCE_SERIES: Readonly<Partial<Record<string, SeriesNumber>>> = {
  cpu_utilization: 1,
  memory_utilization: 2,
  gpu_utilization: 3,
  network_utilization: 4,
};

function Load({ data }: { data: Data }) {
  const { load, load_parts } = data;
  const weights = shares(load_parts.map(({ weight }) => weight));
  return (
    <Part id="wk-load" class="worker-score reported">
      <h3>
        Load <AsOf data={data}>the sum of weight × use</AsOf>
      </h3>
      <p class="v">
        <Figure value={quantity(load, "percent")} />
      </p>
      {load_parts.length === 0 ? <p class="quiet">No resource is reported.</p> : null}
      <ul class="parts">
        {load_parts.map(({ metric, value }, place) => (
          <li>
            <span class="name">{labelOf(metric)}</span>
            <Bars values={[[RESOURCE_SERIES[metric] ?? 5, value]]} />
            <span class="figure">{asWideAs("999", measure(value, "percent"))}</span>
            <span class="why">weight {weights[place]}</span>
          </li>
        ))}
      </ul>
    </Part>
  );
}

function Gpus({ data }: { data: Data }): Markup {
  const { gpus } = data;
  const isHot = (gpu: Data["gpus"][number]) => !isSilent(data) && isSaturated(gpu);
  const saturated = gpus.filter(isHot).length;
  const throttled = isSilent(data) ? 0 : gpus.filter((gpu) => gpu.throttled).length;
  return (
    <div class="worker-gpus reported">
      <Part as="h3" id="wk-gpus">
        GPUs{" "}
        {gpus.length === 0 ? (
          ""
        ) : (
          <AsOf data={data}>
            {joined([
              `${counted(gpus.length, "device")}, ${saturated === 0 ? "none" : count(saturated)} beyond ${measure(SATURATED, "percent")}`,
              throttled === 0 ? null : `${count(throttled)} throttled`,
            ])}
          </AsOf>
        )}
      </Part>
      {gpus.length === 0 ? (
        <p class="quiet">{meanInWords(data)}</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th scope="col">Device</th>
              <th scope="col">Use</th>
              <th scope="col">Memory</th>
              <th scope="col">Temp.</th>
            </tr>
          </thead>
          <tbody>
            {busiest(gpus).map((gpu, place) => (
              <Part as="tr" id={`wk-gpu-${place}`} class={isHot(gpu) ? "hot" : undefined}>
                <th scope="row">
                  GPU {count(gpu.index)} {isHot(gpu) ? <StateMark tone="critical" word="saturated" /> : null}{" "}
                  {gpu.throttled && !isSilent(data) ? <StateMark tone="warning" word="throttled" /> : null}
                </th>
                <td>
                  <span class="use">
                    <Bars values={[[3, gpu.utilization]]} />
                    {asWideAs("999", measure(gpu.utilization, "percent"))}
                  </span>
                </td>
                <td>{asWideAs("999", measure(gpu.memory_utilization, "percent"))}</td>
                <td>{asWideAs("999", measure(gpu.temperature_celsius, "celsius"))}</td>
              </Part>
            ))}
          </tbody>
        </table>
      )}
      {gpus.length > GPUS_LIMIT ? (
        <p class="more">{more(gpus.length - GPUS_LIMIT, "more devices, none of them busier")}</p>
      ) : null}
    </div>
  );
}

function isSaturated({ utilization }: Data["gpus"][number]): boolean {
  return utilization !== null && utilization > SATURATED;
}

/** The busiest devices, by their number. */
function busiest(gpus: Data["gpus"]): Data["gpus"] {
  return [...gpus]
    .sort((a, b) => (b.utilization ?? -1) - (a.utilization ?? -1))
    .slice(0, GPUS_LIMIT)
    .sort((a, b) => a.index - b.index);
}

/** Of a worker that tells nothing of its devices one by one. */
function meanInWords(data: Data): string {
  const [mean, max] = [metricOf(data, "gpu_utilization"), metricOf(data, "gpu_utilization_max")];
  if (mean === null) return "None reported";
  const busiest = max === null ? "" : `, the busiest ${measure(max, "percent")}`;
  return `${measure(mean, "percent")} in the mean${busiest}; not told device by device`;
}

function labelOf(metric: string): string {
  return clean(findMetric("worker", metric)?.label ?? metric);
}

function upperFirst(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** What is not of one value stands as JSON. */
function table(data: Data): Table {
  return {
    columns: ["field", "value"],
    rows: Object.entries(data).map(([name, value]) => [
      name,
      value !== null && typeof value === "object" ? JSON.stringify(value) : (value as string | number | null),
    ]),
  };
}
