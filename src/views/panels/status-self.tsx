import type { Child } from "hono/jsx";
import { z } from "zod";
import { clean, count, measure, shorten } from "../../metrics/format.ts";
import type { Read } from "../../metrics/read.ts";
import { Ago, Mark, Name, Time } from "../components.tsx";
import { definePanel, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, countField, noParams } from "../schema.ts";

const NAME_LENGTH = 64;
const MESSAGE_LENGTH = 160;

const data = z.object({
  at_ms,
  url: z.string().describe("Where Evenkeel is reached, base path included"),
  token_needed: z.boolean().describe("Whether a sender must show the ingest token"),
  version: z.string().describe("Version of Evenkeel"),
  demo: z.boolean().describe("True while the demo fleet is shown"),
  started_at_ms: z.number().describe("When this process started, Unix milliseconds"),
  ticks: countField("Ticks since the start"),
  tick_ms: z.number().describe("Planned time between two ticks, milliseconds"),
  tick_p50_ms: z.number().describe("Duration of a tick's work, median of the last ticks, milliseconds"),
  tick_p99_ms: z.number().describe("Duration of a tick's work, p99 of the last ticks, milliseconds"),
  ticks_late: countField("Ticks that came late"),
  ticks_skipped: countField("Messages left out for viewers that read too slowly"),
  reports_accepted: countField("Reports accepted since the start"),
  reports_rejected: countField("Reports rejected since the start"),
  last_rejection: z
    .object({
      at_ms: z.number().describe("When it came, Unix milliseconds"),
      source: z.string().nullable().describe("Who sent it; null where it does not say"),
      path: z.string().describe("The field that is wrong; empty for the report as a whole"),
      message: z.string().describe("Its rule and what came"),
    })
    .nullable()
    .describe("The last report that was refused, whole, since the start; null without any"),
  unknown_fields: countField("Unknown fields seen in reports"),
  unknown_field_names: z.array(z.string()).describe("Names of the unknown fields last seen"),
  buffered_reports: countField("Reports that wait for the next tick"),
  buffer_limit: countField("Reports that may wait at most"),
  viewers: countField("Pages connected now"),
  viewers_dropped: countField("Viewers dropped because they did not read"),
  store_bytes: z.number().describe("Size of the database, bytes"),
  store_limit_bytes: z.number().nullable().describe("The database's limit on disk, bytes; null for none"),
  store_oldest_ms: z
    .number()
    .nullable()
    .describe("From here on there are samples, Unix milliseconds; null while there are none"),
  store_full_from_ms: z
    .number()
    .nullable()
    .describe("From here on every second is kept, before it hourly summaries, Unix milliseconds"),
  store_error: z.string().nullable().describe("Why the last write failed; null where it did not"),
  series: countField("Series kept"),
  memory_bytes: z.number().describe("Memory of the process, bytes"),
  alerts_file: z.boolean().describe("Whether the settings name a file of alerts"),
  disk_free_bytes: z
    .number()
    .nullable()
    .describe("Room on the disk of the database, bytes; null where not known"),
  limits_reached: z
    .record(z.string(), z.number())
    .describe("How often each limit was reached since the start, count"),
});

type Data = z.output<typeof data>;

export const statusSelf = definePanel({
  id: "status-self",
  title: "Evenkeel itself",
  description:
    "How Evenkeel itself is doing: ticks, reports, store, memory, viewers, and the limits that were reached.",
  api: "/api/status",
  params: noParams,
  data,
  load,
  view,
  note: (data) => `version ${clean(data.version)}`,
  table,
});

function load(read: Read): Data {
  const { connectors: _, ...self } = read.self;
  return {
    at_ms: read.now_ms,
    demo: read.demo,
    ...self,
    unknown_field_names: [...self.unknown_field_names],
    last_rejection: self.last_rejection && { ...self.last_rejection },
    limits_reached: Object.assign(Object.create(null), self.limits_reached),
  };
}

function view(data: Data) {
  return (
    <dl class="facts">
      <Fact
        id="running"
        name="Running"
        lines={[<Ago since_ms={data.started_at_ms} />, <Time at_ms={data.started_at_ms} full />]}
      />
      <Fact
        id="tick"
        name="Tick"
        bad={data.tick_p99_ms > data.tick_ms}
        lines={[
          `p50 ${milliseconds(data.tick_p50_ms)}, p99 ${milliseconds(data.tick_p99_ms)} of ${milliseconds(data.tick_ms)}`,
          `${count(data.ticks)} ticks, ${count(data.ticks_late)} late`,
        ]}
      />
      <Fact
        id="reports"
        name="Reports"
        lines={[
          `${count(data.reports_accepted)} accepted, ${count(data.reports_rejected)} rejected`,
          `${count(data.buffered_reports)} of ${count(data.buffer_limit)} in the buffer`,
          ...rejectionLines(data.last_rejection),
        ]}
      />
      <Fact
        id="fields"
        name="Unknown fields"
        lines={[count(data.unknown_fields), names(data.unknown_field_names)]}
      />
      <Fact
        id="store"
        name="Store"
        bad={data.store_error !== null}
        lines={[
          `${storeSize(data)}, ${count(data.series)} series`,
          data.disk_free_bytes === null ? "" : `${measure(data.disk_free_bytes, "bytes")} free on its disk`,
          data.store_error === null ? "writes succeed" : `Last write failed: ${clean(data.store_error)}`,
        ]}
      />
      <Fact id="kept" name="Kept" lines={keptLines(data)} />
      <Fact id="memory" name="Memory" lines={[measure(data.memory_bytes, "bytes")]} />
      <Fact
        id="viewers"
        name="Viewers"
        lines={[
          `${count(data.viewers)} connected, ${count(data.viewers_dropped)} dropped`,
          `${count(data.ticks_skipped)} messages left out`,
        ]}
      />
      <Fact
        id="limits"
        name="Limits reached"
        bad={Object.keys(data.limits_reached).length > 0}
        lines={limitLines(data.limits_reached)}
      />
    </dl>
  );
}

/** Who can mend it, and what. */
function rejectionLines(last: Data["last_rejection"]): Child[] {
  if (last === null) return [];
  const { at_ms, source, path, message } = last;
  return [
    <>
      last rejected: <Name>{shorten(source ?? "a report without source", NAME_LENGTH)}</Name>,{" "}
      <Time at_ms={at_ms} />
    </>,
    <Name>{shorten(`${path} ${message}`.trim(), MESSAGE_LENGTH)}</Name>,
  ];
}

function storeSize({ store_bytes, store_limit_bytes }: Data): string {
  const size = measure(store_bytes, "bytes");
  return store_limit_bytes === null ? size : `${size} of ${measure(store_limit_bytes, "bytes")}`;
}

function keptLines({ store_oldest_ms, store_full_from_ms }: Data): Child[] {
  if (store_oldest_ms === null || store_full_from_ms === null) return ["nothing yet"];
  const full = (
    <>
      every second since <Time at_ms={store_full_from_ms} full />
    </>
  );
  if (store_full_from_ms <= store_oldest_ms) return [full];
  return [
    full,
    <>
      hourly summaries since <Time at_ms={store_oldest_ms} full />
    </>,
  ];
}

function Fact({
  id,
  name,
  lines,
  bad = false,
}: {
  id: string;
  name: string;
  lines: readonly Child[];
  bad?: boolean;
}) {
  const [first, ...others] = lines;
  return (
    <Part id={`ss-${id}`} class="fact">
      <dt>{name}</dt>
      <dd>
        {bad ? <Mark tone="warning" /> : null}
        {first}
      </dd>
      {others.map((line) => (
        <dd class="sub">{line}</dd>
      ))}
    </Part>
  );
}

/** Work of a tick is short: one decimal below ten milliseconds. */
function milliseconds(value: number): string {
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

function names(list: readonly string[]): string {
  return list.map((name) => clean(shorten(name, NAME_LENGTH))).join(", ");
}

function limitLines(limits: Data["limits_reached"]): string[] {
  const reached = Object.entries(limits);
  if (reached.length === 0) return ["none since the start"];
  return reached.map(([name, times]) => `${clean(shorten(name, NAME_LENGTH))}: ${count(times)} ×`);
}

function table(data: Data): Table {
  const { limits_reached, unknown_field_names, last_rejection, ...facts } = data;
  return {
    columns: ["name", "value"],
    rows: [
      ...Object.entries(facts).map(
        ([name, value]) => [name, typeof value === "boolean" ? String(value) : value] as const,
      ),
      ...Object.entries(last_rejection ?? {}).map(
        ([name, value]) => [`last_rejection ${name}`, value] as const,
      ),
      ["unknown_field_names", unknown_field_names.join(" ")],
      ...Object.entries(limits_reached).map(([name, times]) => [`limit_reached ${name}`, times] as const),
    ],
  };
}
