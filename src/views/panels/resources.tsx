import { z } from "zod";
import { RESOURCES, type Resource } from "../../metrics/catalogue.ts";
import {
  asWideAs,
  clean,
  count,
  counted,
  measure,
  NONE,
  type Quantity,
  quantity,
  shorten,
} from "../../metrics/format.ts";
import type { Worker } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { Figure, Histogram, Mark, Name } from "../components.tsx";
import { byNaturalOrder } from "../identity.ts";
import { workerLabel } from "../labels.ts";
import { workerHref } from "../links.ts";
import { definePanel, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, labelField, noParams } from "../schema.ts";

const BINS = 20;
const BIN_WIDTH = 100 / BINS;
const NAME_LENGTH = 64;

/** Beyond it a worker's resource counts as overloaded, percent. */
const THRESHOLD: Record<Resource, number> = { cpu: 90, gpu: 95, memory: 90, network: 90 };

const LABEL: Record<Resource, string> = { cpu: "CPU", gpu: "GPU", memory: "Memory", network: "Network" };

const resource = z.object({
  mean: z
    .number()
    .nullable()
    .describe("Mean over the reporting workers, percent; null where none reports it"),
  worst: z
    .object({
      worker_id: z.string().describe("The worker"),
      label: labelField,
      value: z.number().describe("Its utilisation, percent"),
    })
    .nullable()
    .describe("The reporting worker with the highest utilisation"),
  reporting: z.number().describe("Workers that report it now, count"),
  threshold: z.number().describe("Beyond it a worker counts as overloaded, percent"),
  beyond: z.number().describe("Workers beyond the threshold, count"),
  histogram: z
    .array(z.number())
    .describe(`Workers by utilisation, count in each of ${BINS} bins of ${BIN_WIDTH} percent, lowest first`),
});

const data = z.object({
  at_ms,
  resources: z.record(z.enum(RESOURCES), resource).describe("Utilisation of each resource over the fleet"),
});

type Data = z.output<typeof data>;
type Usage = z.output<typeof resource>;

export const resources = definePanel({
  id: "resources",
  title: "Resource utilisation",
  description:
    "CPU, GPU, memory and network over the fleet: the mean, the worst worker, and how the workers spread.",
  api: "/api/metrics/resources",
  params: noParams,
  data,
  filters: true,
  past: true,
  load,
  view,
  note: () => "mean and worst of the reporting workers; bars: workers by utilisation",
  table,
});

function load(read: Read): Data {
  const found = RESOURCES.map((name) => new Spread(name));
  for (const worker of read.workers()) {
    if (worker.presence !== "fresh") continue;
    for (const spread of found) spread.add(worker);
  }
  const usage = found.map((spread) => [spread.name, usageOf(read, spread)] as const);
  return { at_ms: read.now_ms, resources: Object.fromEntries(usage) as Data["resources"] };
}

/** How the workers' use of one resource spreads. */
class Spread {
  readonly name: Resource;
  readonly histogram = new Array<number>(BINS).fill(0);
  worst: { readonly id: string; readonly value: number } | null = null;
  reporting = 0;
  beyond = 0;
  readonly #metric: string;

  constructor(name: Resource) {
    this.name = name;
    this.#metric = `${name}_utilization`;
  }

  add({ id, metrics }: Worker): void {
    const value = metrics.get(this.#metric);
    if (value === undefined) return;
    this.reporting += 1;
    if (value > THRESHOLD[this.name]) this.beyond += 1;
    const bin = Math.max(0, Math.min(BINS - 1, Math.floor(value / BIN_WIDTH)));
    this.histogram[bin] = (this.histogram[bin] ?? 0) + 1;
    const { worst } = this;
    if (
      worst === null ||
      value > worst.value ||
      (value === worst.value && byNaturalOrder(id, worst.id) < 0)
    ) {
      this.worst = { id, value };
    }
  }
}

function usageOf(read: Read, { name, worst, reporting, beyond, histogram }: Spread): Usage {
  return {
    mean: read.system.get(`${name}_utilization_mean`) ?? null,
    worst: worst && { worker_id: worst.id, label: workerLabel(read, worst.id), value: worst.value },
    reporting,
    threshold: THRESHOLD[name],
    beyond,
    histogram,
  };
}

function view(data: Data) {
  return (
    <div class="meters">
      {RESOURCES.map((name) => (
        <Meter name={name} usage={data.resources[name]} />
      ))}
    </div>
  );
}

function Meter({ name, usage }: { name: Resource; usage: Usage }) {
  return (
    <Part id={`rs-${name}`} class="meter">
      <div class="top">
        <h3>{LABEL[name]}</h3>
        {usage.worst === null ? (
          <span class="worst">not reported</span>
        ) : (
          <span class="worst">
            worst {measure(usage.worst.value, "percent")}{" "}
            <span class="who">
              <a
                href={workerHref(usage.worst.worker_id)}
                title={clean(shorten(usage.worst.worker_id, NAME_LENGTH))}
              >
                <Name>{usage.worst.label}</Name>
              </a>
            </span>
            {usage.worst.value > usage.threshold ? <Mark tone="critical" /> : null}
          </span>
        )}
        <p class="v">
          <Figure value={percent(usage.mean)} />
        </p>
      </div>
      <Histogram bins={usage.histogram} hot={usage.threshold / BIN_WIDTH} label={inWords(name, usage)} />
      <div class="axis" aria-hidden="true">
        <span>0</span>
        <span>50</span>
        <span>100 %</span>
      </div>
    </Part>
  );
}

/** Of the width of any other, so that it grows in place. */
function percent(value: number | null): Quantity {
  const { value: figure, unit } = quantity(value, "percent");
  return { value: figure === NONE ? NONE : asWideAs("99", figure), unit };
}

function inWords(name: Resource, usage: Usage): string {
  if (usage.reporting === 0) return `${LABEL[name]}: no worker reports it.`;
  const filled = usage.histogram.flatMap((size, bin) =>
    size === 0 ? [] : [`${bin * BIN_WIDTH} to ${(bin + 1) * BIN_WIDTH} %: ${count(size)}`],
  );
  return `${LABEL[name]} of ${counted(usage.reporting, "worker")}, ${count(usage.beyond)} beyond ${usage.threshold} %. ${filled.join(", ")}.`;
}

function table(data: Data): Table {
  return {
    columns: [
      "resource",
      "mean_percent",
      "worst_percent",
      "worst_worker",
      "reporting_workers",
      "workers_beyond_threshold",
      ...Array.from(
        { length: BINS },
        (_, bin) => `workers_${bin * BIN_WIDTH}_to_${(bin + 1) * BIN_WIDTH}_percent`,
      ),
    ],
    rows: RESOURCES.map((name) => {
      const { mean, worst, reporting, beyond, histogram } = data.resources[name];
      return [name, mean, worst?.value ?? null, worst?.worker_id ?? null, reporting, beyond, ...histogram];
    }),
  };
}
