import { z } from "zod";
import { count, counted, seconds, shorten } from "../../metrics/format.ts";
import type { Presence } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { Ago, EmptyState, Mark, more, Name, type Tone } from "../components.tsx";
import { byNaturalOrder, domId } from "../identity.ts";
import { definePanel, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, countField, noParams } from "../schema.ts";

/** Rows that the panel shows; the JSON has every source. */
const ROWS_LIMIT = 100;
const NAME_LENGTH = 64;

const PRESENCES = ["lost", "stale", "fresh"] as const;

const data = z.object({
  at_ms,
  sources: z
    .array(
      z.object({
        id: z.string().describe("The source's own name"),
        presence: z.enum(PRESENCES).describe("How recently it was heard of"),
        last_report_ms: z.number().describe("When its last report came, Unix milliseconds"),
        interval_ms: z.number().describe("Usual time between two of its reports, milliseconds"),
        reports: countField("Reports from it"),
        clock_offset_ms: z.number().describe("Added to its times to get ours, milliseconds"),
        workers: countField("Workers that it reports"),
      }),
    )
    .describe("Everyone who sends reports, the lost first"),
});

type Data = z.output<typeof data>;

export const sources = definePanel({
  id: "sources",
  title: "Sources",
  description:
    "Everyone who sends reports: when last, how often, for how many workers, and how far its clock is off.",
  api: "/api/sources",
  params: noParams,
  data,
  load,
  view,
  note: (data) => counted(data.sources.length, "source"),
  table,
});

function load(read: Read): Data {
  return {
    at_ms: read.now_ms,
    sources: read.sources
      .map((source) => ({ ...source }))
      .sort(
        (a, b) => PRESENCES.indexOf(a.presence) - PRESENCES.indexOf(b.presence) || byNaturalOrder(a.id, b.id),
      ),
  };
}

const TONE: Record<Presence, Tone> = { fresh: "ok", stale: "warning", lost: "gone" };
const WORD: Record<Presence, string> = { fresh: "reports", stale: "stale", lost: "lost" };

function view(data: Data) {
  if (data.sources.length === 0) {
    return (
      <EmptyState title="No source has reported yet">
        <p>A source appears here with its first report.</p>
      </EmptyState>
    );
  }
  const hidden = data.sources.length - ROWS_LIMIT;
  return (
    <>
      <table class="sources">
        <thead>
          <tr>
            <th scope="col">Source</th>
            <th scope="col">State</th>
            <th scope="col">Workers</th>
            <th scope="col">Interval</th>
            <th scope="col">Clock offset</th>
            <th scope="col">Last report</th>
          </tr>
        </thead>
        <tbody>
          {data.sources.slice(0, ROWS_LIMIT).map((source) => (
            <Part as="tr" id={domId("so", source.id)}>
              <th scope="row">
                <Name>{shorten(source.id, NAME_LENGTH)}</Name>
              </th>
              <td data-label="State">
                <Mark tone={TONE[source.presence]} /> {WORD[source.presence]}
              </td>
              <td data-label="Workers">{count(source.workers)}</td>
              <td data-label="Interval">{seconds(source.interval_ms / 1000)}</td>
              <td data-label="Clock offset">{seconds(source.clock_offset_ms / 1000)}</td>
              <td data-label="Last report">
                <Ago since_ms={source.last_report_ms} />
              </td>
            </Part>
          ))}
        </tbody>
      </table>
      {hidden > 0 ? <p class="more">{more(hidden)}</p> : null}
    </>
  );
}

function table(data: Data): Table {
  return {
    columns: ["source", "presence", "workers", "reports", "interval_ms", "clock_offset_ms", "last_report_ms"],
    rows: data.sources.map((source) => [
      source.id,
      source.presence,
      source.workers,
      source.reports,
      source.interval_ms,
      source.clock_offset_ms,
      source.last_report_ms,
    ]),
  };
}
