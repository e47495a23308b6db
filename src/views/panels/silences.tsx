import { z } from "zod";
import { clean, count, counted, seconds, shorten } from "../../metrics/format.ts";
import type { Alert, Silence } from "../../metrics/model.ts";
import { isActive, matchersText, matches } from "../../metrics/process/rules/silences.ts";
import type { Read } from "../../metrics/read.ts";
import { EmptyState, Name, Time } from "../components.tsx";
import { domId, pathSegment } from "../identity.ts";
import { definePanel } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, noParams } from "../schema.ts";

/** Silences that are shown; the JSON has them all. */
const ROWS_LIMIT = 50;
const NAME_LENGTH = 64;
const TEXT_LENGTH = 400;

export const SILENCE = z.object({
  id: z.string().describe("Its id"),
  matchers: z.string().describe("What the labels of an alert have to be: label=value or label!=value"),
  starts_ms: z.number().describe("From when on it holds, Unix milliseconds"),
  ends_ms: z.number().describe("When it ends, Unix milliseconds"),
  by: z.string().describe("Who set it"),
  note: z.string().describe("Why; may be empty"),
  active: z.boolean().describe("True while it holds"),
});

export function silenceData(silence: Silence, now_ms: number): z.output<typeof SILENCE> {
  const { id, matchers, starts_ms, ends_ms, by, note } = silence;
  const active = isActive(silence, now_ms);
  return { id, matchers: matchersText(matchers), starts_ms, ends_ms, by, note, active };
}

const row = SILENCE.extend({
  matching: z.number().describe("How many alerts it matches now, count"),
});

const data = z.object({
  at_ms,
  silences: z.array(row).describe("Those that hold or held lately, the last to end first"),
});
type Data = z.output<typeof data>;
type Row = Data["silences"][number];

export const silences = definePanel({
  id: "silences",
  title: "Silences",
  description: "For a while alerts that a silence matches are neither told nor counted.",
  api: "/api/silences",
  params: noParams,
  data,
  past: true,
  load,
  view,
  note: ({ silences }) => `${count(silences.filter(({ active }) => active).length)} in force`,
  table: ({ silences }) => ({
    columns: ["id", "matchers", "starts_ms", "ends_ms", "by", "note", "active", "matching"],
    rows: silences.map(({ id, matchers, starts_ms, ends_ms, by, note, active, matching }) => [
      id,
      matchers,
      starts_ms,
      ends_ms,
      by,
      note,
      active ? 1 : 0,
      matching,
    ]),
  }),
});

function load(read: Read): Data {
  const firing = read.allAlerts().filter(({ state }) => state === "firing");
  return {
    at_ms: read.now_ms,
    silences: read
      .silences()
      .filter(({ starts_ms }) => starts_ms <= read.now_ms)
      .map((silence) => ({
        ...silenceData(silence, read.now_ms),
        matching: isActive(silence, read.now_ms) ? howMany(silence, firing) : 0,
      })),
  };
}

function howMany({ matchers }: Silence, alerts: readonly Alert[]): number {
  return alerts.filter(matches(matchers)).length;
}

function view({ silences, at_ms }: Data) {
  return (
    <>
      {silences.length === 0 ? (
        <EmptyState title="Nothing is silenced">
          <p>A silence is for what is known and need not be told for a while, such as maintenance.</p>
        </EmptyState>
      ) : (
        <ul class="silences">
          {silences.slice(0, ROWS_LIMIT).map((silence) => (
            <SilenceRow silence={silence} now_ms={at_ms} />
          ))}
        </ul>
      )}
      <p class="more">
        {silences.length > ROWS_LIMIT ? `and ${count(silences.length - ROWS_LIMIT)} more · ` : null}
        <a class="act" href="silences/new">
          New silence
        </a>
      </p>
    </>
  );
}

function SilenceRow({ silence, now_ms }: { silence: Row; now_ms: number }) {
  const { id, matchers, ends_ms, by, note, active, matching, starts_ms } = silence;
  return (
    <Part as="li" id={domId("sil", id)} class={active ? "active" : "over"}>
      <p>
        <code>
          <bdi>{clean(shorten(matchers, TEXT_LENGTH))}</bdi>
        </code>{" "}
        <small>
          by <Name>{shorten(by, NAME_LENGTH)}</Name>, <Time at_ms={starts_ms} full />
          {note === "" ? null : (
            <>
              : <Name>{shorten(note, TEXT_LENGTH)}</Name>
            </>
          )}
        </small>
      </p>
      <p>
        {active ? (
          <>
            holds {counted(matching, "alert")} · ends in {inWhole(ends_ms - now_ms)}, at{" "}
          </>
        ) : (
          "ended at "
        )}
        <Time at_ms={ends_ms} full />
      </p>
      {active ? (
        <form method="post" action={`silences/${pathSegment(id)}/end`}>
          <button
            type="submit"
            class="secondary"
            aria-label={`End the silence ${clean(shorten(matchers, NAME_LENGTH))}`}
          >
            End it
          </button>
        </form>
      ) : null}
    </Part>
  );
}

/** What is left in whole minutes: it need not be said each second. */
function inWhole(left_ms: number): string {
  return seconds(Math.max(1, Math.ceil(left_ms / 60_000)) * 60);
}
