import { z } from "zod";
import { EvenkeelError } from "../../errors.ts";
import { clean, counted } from "../../metrics/format.ts";
import { ALERT_LABELS, type Alert, type Matcher } from "../../metrics/model.ts";
import { matches } from "../../metrics/process/rules/silences.ts";
import type { Read } from "../../metrics/read.ts";
import { ALERT, alertData } from "../alert-data.ts";
import { AlertRows, alertsTable } from "../alert-rows.tsx";
import { Time } from "../components.tsx";
import { SameLook } from "../list-view.tsx";
import { definePanel } from "../panel.ts";
import { at_ms } from "../schema.ts";
import { type Asked, type Checked, checkSilence, DURATIONS } from "../silence-form.ts";
import { MAX_NAME, MAX_NOTE, NameField, OnlyOperators } from "../viewer.tsx";
import { PAGE_LOOK } from "../window.ts";

const text = (meaning: string, max: number, example: string) =>
  z.string().max(max).optional().describe(meaning).meta({ example });

const params = z.object({
  matchers: text(
    `What the labels of an alert have to be, separated by commas: label=value or label!=value, * stands for anything; the labels are ${ALERT_LABELS.join(", ")}`,
    4096,
    "rule=worker_*, worker_type=gpu",
  ),
  duration: text("How long it is to hold, 1m to 30d", 32, "8h"),
  ends: text(
    "When it is to end, in place of a duration: RFC 3339 with an offset, or Unix milliseconds",
    64,
    "2026-11-24T06:00:00Z",
  ),
  by: text("Who sets it", 4 * MAX_NAME, "Ada"),
  note: text("Why", 4 * MAX_NOTE, "rewiring"),
  ...PAGE_LOOK.shape,
});
type Params = z.output<typeof params>;

const data = z.object({
  at_ms,
  problem: z.string().nullable().describe("Why it can't be set as it is; null where it can"),
  matchers: z.string().describe("What it would match; empty before anything was asked for"),
  ends_ms: z.number().nullable().describe("When it would end, Unix milliseconds; null where it can't be set"),
  everything: z
    .boolean()
    .describe("True where it would hold whatever fires: all of several alerts, or of any that may come"),
  alerts: z.array(ALERT).describe("What fires or is pending now and would be silenced, worst first"),
});
type Data = z.output<typeof data>;

export const silenceNew = definePanel({
  id: "silence-new",
  title: "New silence",
  description: "A silence as it would be, and what it would match now, before it is set.",
  api: "/api/silences/new",
  params,
  data,
  live: false,
  form: true,
  load,
  view,
  table: ({ alerts }) => alertsTable(alerts),
});

function load(read: Read, asked: Params): Data {
  const { matchers = "" } = asked;
  const nothing = {
    at_ms: read.now_ms,
    matchers,
    problem: null,
    ends_ms: null,
    everything: false,
    alerts: [],
  };
  // A link may name the matchers alone: the rest is still to be said.
  if (matchers === "" || (asked.duration === undefined && asked.ends === undefined)) return nothing;
  let checked: Checked;
  try {
    checked = checkSilence(asked, read.now_ms);
  } catch (error) {
    if (!(error instanceof EvenkeelError)) throw error;
    return { ...nothing, problem: error.message };
  }
  const alerts = read.allAlerts().filter(matches(checked.matchers));
  return {
    ...nothing,
    ends_ms: checked.ends_ms,
    everything: isEverything(checked.matchers, alerts, read),
    alerts: alerts.map(alertData),
  };
}

/** Of the only alert that fires a silence is what anybody sets. */
function isEverything(matchers: readonly Matcher[], matched: readonly Alert[], read: Read): boolean {
  if (matchers.every(({ pattern, not }) => !not && /^\*+$/.test(pattern))) return true;
  const firing = (alerts: readonly Alert[]) => alerts.filter(({ state }) => state === "firing").length;
  return firing(matched) > 1 && firing(matched) === firing(read.allAlerts());
}

function view(it: Data, asked: Params) {
  return (
    <>
      {it.problem === null ? null : (
        <p class="problem" role="alert">
          <bdi>{clean(it.problem)}</bdi>
        </p>
      )}
      <OnlyOperators />
      <form class="stacked" method="get" action="silences/new">
        <SilenceFields asked={asked} />
        <SameLook params={asked} />
        <button type="submit" class="secondary">
          Preview
        </button>
      </form>
      {it.ends_ms === null ? (
        <p class="quiet act">
          Labels are {ALERT_LABELS.join(", ")}; <code>*</code> stands for anything, <code>!=</code> for
          anything else, as in <code>rule=worker_*, worker_type=gpu, worker!=w7</code>
        </p>
      ) : (
        <Preview it={it} asked={asked} />
      )}
    </>
  );
}

/** What it would do, and the button that sets it. */
function Preview({ it, asked }: { it: Data; asked: Asked }) {
  const { alerts, ends_ms, everything } = it;
  return (
    <section class="preview" aria-labelledby="sn-preview">
      <h3 id="sn-preview">
        {alerts.length === 0
          ? "It matches nothing that fires now"
          : `It matches ${counted(alerts.length, "alert")} now`}
        , and would hold until <Time at_ms={ends_ms!} full />
      </h3>
      {everything ? (
        <p class="problem" role="alert">
          It matches everything that fires: while it holds, nobody is told of any of it.
        </p>
      ) : null}
      <AlertRows alerts={alerts} />
      <form method="post" action="silences">
        {FIELDS.map((name) =>
          asked[name] ? <input type="hidden" name={name} value={clean(asked[name])} /> : null,
        )}
        <button type="submit">Set this silence</button>
      </form>
    </section>
  );
}

const FIELDS = ["matchers", "duration", "ends", "by", "note"] as const;

/** The fields of a silence, with what was asked for. */
export function SilenceFields({ asked }: { asked: Asked }) {
  const { duration = "1h" } = asked;
  const offered = (DURATIONS as readonly string[]).includes(duration);
  return (
    <>
      <label class="wide">
        What it matches{" "}
        <input
          name="matchers"
          required
          value={clean(asked.matchers ?? "")}
          placeholder="label=value, label!=value"
        />
      </label>
      <label>
        For{" "}
        <select name="duration">
          {(offered ? DURATIONS : [duration, ...DURATIONS]).map((one) => (
            <option value={clean(one)} selected={one === duration}>
              {clean(one)}
            </option>
          ))}
        </select>
      </label>
      <label>
        or until{" "}
        <input name="ends" value={clean(asked.ends ?? "")} placeholder="2026-11-23T18:00:00Z" size={22} />
      </label>
      {asked.by === undefined ? (
        <NameField />
      ) : (
        <label>
          Your name <input name="by" required maxlength={MAX_NAME} value={clean(asked.by)} />
        </label>
      )}
      <label class="wide">
        Why{" "}
        <input name="note" maxlength={MAX_NOTE} value={clean(asked.note ?? "")} placeholder="may be empty" />
      </label>
    </>
  );
}
