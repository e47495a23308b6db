import { z } from "zod";
import { clean, counted, seconds, shorten } from "../../metrics/format.ts";
import { endOfMinute, type LinkTemplate, linksOut } from "../../metrics/links-out.ts";
import { type Alert, SEVERITIES } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import {
  ALERT,
  ALERT_PARAMS,
  alertData,
  alertOf,
  FIRINGS_LIMIT,
  STANDING_WORDS,
  titleOfAlert,
} from "../alert-data.ts";
import { About } from "../alert-rows.tsx";
import { Ago, Mark, Name, SEVERITY_TONE, Time, type Tone } from "../components.tsx";
import { alertHref } from "../links.ts";
import { LINKS_OUT, LinksOut } from "../links-out.tsx";
import { rowTable } from "../list.ts";
import { definePanel, type Markup } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms } from "../schema.ts";
import { Condition, RULE, ruleData } from "./alert-rules.tsx";
import { SILENCE, silenceData } from "./silences.tsx";

const NAME_LENGTH = 64;
const TEXT_LENGTH = 1000;
/** Firings that are told; the list of alerts has more. */
const FIRINGS = 20;

const rule = RULE.nullable().describe(
  "Its rule as it is now; null where there is none of that name any more",
);

const data = z.object({
  at_ms,
  ...ALERT.shape,
  cause: z
    .string()
    .nullable()
    .describe("What it follows from, by its title; null where nothing holds it back"),
  silence: z
    .object(SILENCE.shape)
    .nullable()
    .describe("The silence that it is under; null without one, and where that is not kept any more"),
  condition: rule,
  links: LINKS_OUT,
});
type Data = z.output<typeof data>;

export const alert = definePanel({
  id: "alert",
  title: "Alert",
  description: "One alert: what is wrong, since when, how much, what it is about, and by which rule.",
  api: "/api/alerts/:alert_id",
  params: ALERT_PARAMS,
  example: { alert_id: "worker_overload:W3" },
  data,
  past: true,
  load,
  view,
  note: ({ standing }) => STANDING_WORDS[standing],
  table: (it) => ({
    columns: ["id", "rule", "severity", "standing", "title", "detail", "since_ms", "fired_ms", "ended_ms"],
    rows: [
      [it.id, it.rule, it.severity, it.standing, it.title, it.detail, it.since_ms, it.fired_ms, it.ended_ms],
    ],
  }),
});

function load(read: Read, given: z.output<typeof ALERT_PARAMS>): Data {
  const found = alertOf(read, given);
  const silence = read.silences().find(({ id }) => id === found.silenced_by);
  const known = read.rules().find(({ name }) => name === found.rule);
  return {
    at_ms: read.now_ms,
    ...alertData(found),
    cause: found.inhibited_by === null ? null : titleOfAlert(read, found.inhibited_by),
    silence: silence ? silenceData(silence, read.now_ms) : null,
    condition: known ? ruleData(known) : null,
    links: linksOf(read, found),
  };
}

/** From when it began to hold to its end. */
function linksOf(read: Read, { id, rule, severity, labels, since_ms, ended_ms }: Alert): LinkTemplate[] {
  const { worker, worker_type, task, task_type, model, model_family, source } = labels;
  const to_ms = endOfMinute(ended_ms ?? read.now_ms);
  return linksOut<"alert">(read.self.links.alert, {
    ...{ alert: id, rule, severity, worker, worker_type, task, task_type, model, model_family, source },
    from_ms: since_ms,
    to_ms,
  });
}

function view(it: Data) {
  return (
    <>
      <Part as="p" id="a-what" class="alert-what">
        <Mark tone={SEVERITY_TONE[it.severity]} />{" "}
        <b>
          {it.severity}: <Name>{shorten(it.title, TEXT_LENGTH)}</Name>
        </b>{" "}
        <span>{clean(shorten(it.detail, TEXT_LENGTH))}</span>
      </Part>
      <dl class="alert-facts">
        <Fact id="a-state" name="State">
          <Standing it={it} />
        </Fact>
        <Fact id="a-since" name={it.ended_ms === null ? "Holds" : "Held"}>
          {it.ended_ms === null ? (
            <>
              from <Time at_ms={it.since_ms} full />, <Ago since_ms={it.since_ms} lasting />
            </>
          ) : (
            <>
              for {seconds((it.ended_ms - it.since_ms) / 1000)}, from <Time at_ms={it.since_ms} full /> to{" "}
              <Time at_ms={it.ended_ms} full />
            </>
          )}
          {it.flaps > 0 ? <> · came and went {counted(it.flaps, "time")} in 15 min</> : null}
        </Fact>
        <Fact id="a-about" name="About">
          {it.subject.kind === "system" ? (
            "the whole system"
          ) : (
            <>
              <About subject={it.subject} /> <Name>{shorten(it.subject.id, NAME_LENGTH)}</Name>
            </>
          )}
        </Fact>
        <Fact id="a-rule" name="Rule">
          <a href={`alerts?rule=${encodeURIComponent(it.rule)}`}>
            <Name>{shorten(it.rule, NAME_LENGTH)}</Name>
          </a>
          {it.condition === null ? (
            <small> is no more</small>
          ) : (
            <>
              {" "}
              {clean(it.condition.help)} <Condition rule={it.condition} />
            </>
          )}
        </Fact>
        {it.links.length === 0 ? null : (
          <Fact id="a-links" name="Elsewhere">
            <LinksOut links={it.links} />
          </Fact>
        )}
        <Fact id="a-id" name="Id">
          <code>
            <bdi>{clean(shorten(it.id, TEXT_LENGTH))}</bdi>
          </code>
        </Fact>
        <Fact id="a-labels" name="Labels">
          <span class="labels">
            {Object.entries(it.labels).map(([name, value]) => (
              <code>
                {name}=<bdi>{clean(shorten(value ?? "", NAME_LENGTH))}</bdi>
              </code>
            ))}
          </span>
        </Fact>
      </dl>
    </>
  );
}

function Fact({ id, name, children }: { id: string; name: string; children: unknown }) {
  return (
    <Part id={id}>
      <dt>{name}</dt>
      <dd>{children as Markup}</dd>
    </Part>
  );
}

/** Its state, and who or what holds it: whoever takes care of it does so under a silence too. */
function Standing({ it }: { it: Data }) {
  const { state, standing, acknowledged } = it;
  if (state !== "firing" || acknowledged === null) return <Holding it={it} />;
  return (
    <>
      {standing === "acknowledged" ? "firing, " : null}
      acknowledged by <Name>{shorten(acknowledged.by, NAME_LENGTH)}</Name> at{" "}
      <Time at_ms={acknowledged.at_ms} full />
      <Note text={acknowledged.note} />
      {standing === "acknowledged" ? null : (
        <>
          {" "}
          · <Holding it={it} />
        </>
      )}
    </>
  );
}

function Holding({ it: { standing, inhibited_by, cause, silence } }: { it: Data }) {
  if (standing === "inhibited" && inhibited_by !== null) {
    return (
      <>
        held back: it follows from{" "}
        <a href={alertHref(inhibited_by)}>
          <Name>{shorten(cause ?? inhibited_by, TEXT_LENGTH)}</Name>
        </a>
      </>
    );
  }
  if (standing === "silenced" && silence !== null) {
    return (
      <>
        <a href="alerts#p-silences">silenced</a> by <Name>{shorten(silence.by, NAME_LENGTH)}</Name> until{" "}
        <Time at_ms={silence.ends_ms} full />
        <Note text={silence.note} />
      </>
    );
  }
  return <>{STANDING_WORDS[standing]}</>;
}

function Note({ text }: { text: string }) {
  if (text === "") return null;
  return (
    <>
      :{" "}
      <q>
        <bdi>{clean(shorten(text, TEXT_LENGTH))}</bdi>
      </q>
    </>
  );
}

const STEPS = [
  "pending",
  "firing",
  "resolved",
  "acknowledged",
  "unacknowledged",
  "silenced",
  "unsilenced",
  "inhibited",
  "uninhibited",
] as const;
type What = (typeof STEPS)[number];

/** When it began to fire has the mark of its severity. */
const TONES: Readonly<Record<Exclude<What, "firing">, Tone>> = {
  pending: "planned",
  resolved: "ok",
  acknowledged: "planned",
  unacknowledged: "warning",
  silenced: "gone",
  unsilenced: "warning",
  inhibited: "gone",
  uninhibited: "warning",
};

const step = z.object({
  at_ms: z.number().describe("When, Unix milliseconds"),
  what: z.enum(STEPS).describe("What became of it"),
  by: z
    .string()
    .describe(
      "Who did it, the silence or the alert that it follows from; empty where that goes without saying",
    ),
  note: z.string().describe("What they said, and of one that began to fire how much it was; may be empty"),
});

const steps = z.object({
  at_ms,
  alert_id: z.string().describe("The alert"),
  severity: z.enum(SEVERITIES).describe("How bad it is"),
  steps: z.array(step).describe("What became of it, oldest first"),
  causes: z.record(z.string(), z.string()).describe("Titles of the alerts that it followed from, by id"),
});
type Steps = z.output<typeof steps>;

export const alertSteps = definePanel({
  id: "alert-steps",
  title: "What became of it",
  description: "The transitions of one alert: pending, firing, silenced, held back, acknowledged, resolved.",
  api: "/api/alerts/:alert_id/steps",
  params: ALERT_PARAMS,
  example: { alert_id: "worker_overload:W3" },
  data: steps,
  past: true,
  load: (read, given) => {
    const found = alertOf(read, given);
    const causes = found.steps.filter(({ what }) => what === "inhibited").map(({ by }) => by);
    return {
      at_ms: read.now_ms,
      alert_id: found.id,
      severity: found.severity,
      steps: stepsOf(found),
      causes: Object.fromEntries(causes.map((id) => [id, titleOfAlert(read, id)])),
    };
  },
  view: (data) => (
    <ol class="alert-steps">
      {data.steps.map((step) => (
        <li>
          <Mark tone={step.what === "firing" ? SEVERITY_TONE[data.severity] : TONES[step.what]} />
          <Time at_ms={step.at_ms} full />
          <span>
            <StepWords step={step} causes={data.causes} />
          </span>
        </li>
      ))}
    </ol>
  ),
  table: (data) => rowTable(step, data.steps),
});

/** It was pending from when its condition began to hold. */
function stepsOf({ since_ms, fired_ms, steps }: Alert): Steps["steps"] {
  const pending = { at_ms: since_ms, what: "pending" as const, by: "", note: "" };
  return [...(fired_ms === since_ms ? [] : [pending]), ...steps.map((one) => ({ ...one }))];
}

function StepWords({
  step: { what, by, note },
  causes,
}: {
  step: Steps["steps"][number];
  causes: Steps["causes"];
}) {
  const who = <Name>{shorten(by, NAME_LENGTH)}</Name>;
  switch (what) {
    case "pending":
      return <>Its condition began to hold</>;
    case "firing":
      return (
        <>
          It began to fire
          {note === "" ? null : <>: {clean(shorten(note, TEXT_LENGTH))}</>}
        </>
      );
    case "resolved":
      return <>Resolved</>;
    case "acknowledged":
      return (
        <>
          Acknowledged by {who}
          <Note text={note} />
        </>
      );
    case "unacknowledged":
      return <>{who} took the acknowledgement back</>;
    case "silenced":
      return <>Silenced</>;
    case "unsilenced":
      return <>Silenced no more</>;
    case "inhibited":
      return (
        <>
          Held back: it follows from{" "}
          <a href={alertHref(by)}>
            <Name>{shorten(causes[by] ?? by, TEXT_LENGTH)}</Name>
          </a>
        </>
      );
    case "uninhibited":
      return <>Held back no more</>;
  }
}

const firing = z.object({
  fired_ms: z.number().describe("When it began to fire, Unix milliseconds"),
  ended_ms: z.number().nullable().describe("When it was resolved, Unix milliseconds; null while it fires"),
  lasted_s: z.number().describe("How long it fired, so far where it still does, seconds"),
  severity: z.enum(SEVERITIES).describe("How bad it was"),
  detail: z.string().describe("How much it was"),
});

const firings = z.object({
  at_ms,
  alert_id: z.string().describe("The alert"),
  shown_ms: z.number().nullable().describe("Which of them is shown, by when it began, Unix milliseconds"),
  firings: z
    .array(firing)
    .describe(`Every time it fired that is kept, newest first, at most ${FIRINGS_LIMIT}`),
});

export const alertFirings = definePanel({
  id: "alert-firings",
  title: "Every time it fired",
  description: "The firings of one alert that are kept: when, and how long each lasted.",
  api: "/api/alerts/:alert_id/firings",
  params: ALERT_PARAMS,
  example: { alert_id: "worker_overload:W3" },
  data: firings,
  past: true,
  load: (read, given) => {
    const found = alertOf(read, given);
    // Of the one that is shown more may be known than is kept.
    const kept = read
      .alertsOf(found.id, FIRINGS_LIMIT)
      .map((alert) => (alert.fired_ms === found.fired_ms ? found : alert));
    return {
      at_ms: read.now_ms,
      alert_id: found.id,
      shown_ms: found.fired_ms,
      firings: kept.flatMap(({ fired_ms, ended_ms, severity, detail }) =>
        fired_ms === null
          ? []
          : [
              {
                fired_ms,
                ended_ms,
                lasted_s: ((ended_ms ?? read.now_ms) - fired_ms) / 1000,
                severity,
                detail,
              },
            ],
      ),
    };
  },
  view: ({ alert_id, shown_ms, firings }) => (
    <>
      <ol class="alert-steps">
        {firings.slice(0, FIRINGS).map(({ fired_ms, ended_ms, lasted_s, severity, detail }) => (
          <li>
            <Mark tone={ended_ms === null ? SEVERITY_TONE[severity] : "ok"} />
            <a href={alertHref(alert_id, fired_ms)} aria-current={fired_ms === shown_ms ? "true" : undefined}>
              <Time at_ms={fired_ms} full />
            </a>
            <span>
              {ended_ms === null ? <Ago since_ms={fired_ms} lasting /> : `for ${seconds(lasted_s)}`}{" "}
              <small>{clean(shorten(detail, 120))}</small>
            </span>
          </li>
        ))}
      </ol>
      {firings.length > FIRINGS ? <p class="more">and {firings.length - FIRINGS} before</p> : null}
      {firings.length === 0 ? <p class="quiet">It has not fired yet.</p> : null}
    </>
  ),
  note: ({ firings }) => counted(firings.length, "time"),
  table: ({ firings }) => rowTable(firing, firings),
});
