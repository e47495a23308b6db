import { z } from "zod";
import { clean, count, seconds, shorten } from "../../metrics/format.ts";
import { type AlertRule, SEVERITIES } from "../../metrics/model.ts";
import type { Read } from "../../metrics/read.ts";
import { type AlertStanding, standingOf } from "../alert-data.ts";
import { EmptyState, Mark, Name, SEVERITY_TONE } from "../components.tsx";
import { domId } from "../identity.ts";
import { rowTable } from "../list.ts";
import { definePanel } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, countField, noParams } from "../schema.ts";

const NAME_LENGTH = 64;
const TEXT_LENGTH = 400;

export const RULE = z.object({
  name: z.string().describe("Its name"),
  each: z.string().describe("What it looks at, such as worker"),
  severity: z.enum(SEVERITIES).describe("How bad its alerts are"),
  when: z.string().describe("Its condition"),
  clear: z.string().describe("What ends its alerts; empty where the end of the condition does"),
  for_s: z.number().describe("How long the condition has to hold until an alert fires, seconds"),
  keep_firing_for_s: z.number().describe("How long an alert goes on after its condition ended, seconds"),
  unless: z.array(z.string()).describe("Rules whose alerts hold its alerts back"),
  help: z.string().describe("What it is for"),
});

export function ruleData(rule: AlertRule): z.output<typeof RULE> {
  const { name, each, severity, when, clear, for_ms, keep_firing_for_ms, unless, help } = rule;
  return {
    name,
    each,
    severity,
    when,
    clear,
    for_s: for_ms / 1000,
    keep_firing_for_s: keep_firing_for_ms / 1000,
    unless: [...unless],
    help,
  };
}

/** How an alert that fires stands where it is shown as firing, and where it is not. */
const SHOWN: readonly AlertStanding[] = ["firing", "acknowledged"];
const HELD: readonly AlertStanding[] = ["silenced", "inhibited"];

const row = RULE.extend({
  firing: countField("Its alerts that fire now, neither held back nor silenced"),
  held: countField("Its alerts that fire now and are held back or silenced"),
});

const data = z.object({
  at_ms,
  error: z
    .string()
    .nullable()
    .describe("What is wrong with the file of alerts, whose former rules hold; null where nothing is"),
  file: z.boolean().describe("Whether the settings name a file of alerts, which may be read again"),
  rules: z.array(row).describe("The rules that hold now, in their order"),
});
type Data = z.output<typeof data>;

export const alertRules = definePanel({
  id: "alert-rules",
  title: "Rules",
  description: "What alerts are raised by: what each rule looks at, its condition, and how many fire of it.",
  api: "/api/alert-rules",
  params: noParams,
  data,
  past: true,
  load,
  view,
  note: ({ rules }) => `${count(rules.length)} rules`,
  table: ({ rules }) => rowTable(row, rules),
});

function load(read: Read): Data {
  const firing = new Map<string, number>();
  const held = new Map<string, number>();
  for (const alert of read.allAlerts()) {
    if (alert.state !== "firing") continue;
    const counts = HELD.includes(standingOf(alert)) ? held : firing;
    counts.set(alert.rule, (counts.get(alert.rule) ?? 0) + 1);
  }
  return {
    at_ms: read.now_ms,
    error: read.rules_error,
    file: read.self.alerts_file,
    rules: read.rules().map((rule) => ({
      ...ruleData(rule),
      firing: firing.get(rule.name) ?? 0,
      held: held.get(rule.name) ?? 0,
    })),
  };
}

function view({ error, file, rules }: Data) {
  return (
    <>
      {error === null ? null : (
        <div class="problem" role="alert">
          <b>The file of alerts is wrong; the former rules hold.</b>
          <ul>
            {error.split("\n").map((line) => (
              <li>
                <bdi>{clean(shorten(line, TEXT_LENGTH))}</bdi>
              </li>
            ))}
          </ul>
        </div>
      )}
      {rules.length === 0 ? (
        <EmptyState title="No rule holds">
          <p>Nothing is ever alerted.</p>
        </EmptyState>
      ) : (
        <table class="list rules-list">
          <thead>
            <tr>
              {["Rule", "Looks at", "Condition", "Severity", "Firing"].map((name) => (
                <th scope="col" class={`c-${name === "Rule" ? "id" : name.toLowerCase().replace(" ", "_")}`}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rules.map((rule) => (
              <RuleRow rule={rule} />
            ))}
          </tbody>
        </table>
      )}
      {file ? (
        <form class="controls" method="post" action="alerts/reload">
          <button type="submit" class="secondary">
            Read the file of alerts again
          </button>
        </form>
      ) : null}
    </>
  );
}

function RuleRow({ rule }: { rule: Data["rules"][number] }) {
  const { name, each, severity, firing, held, help } = rule;
  const listOf = (standings: readonly AlertStanding[]) =>
    `alerts?rule=${encodeURIComponent(name)}&status=${standings.join()}`;
  return (
    <Part as="tr" id={domId("rule", name)}>
      <th scope="row" class="c-id">
        <a href={`alerts?rule=${encodeURIComponent(name)}`}>
          <Name>{shorten(name, NAME_LENGTH)}</Name>
        </a>{" "}
        <span>{clean(shorten(help, TEXT_LENGTH))}</span>
      </th>
      <td class="c-looks_at" data-label="Looks at">
        {each.replace("_", " ")}
      </td>
      <td class="c-condition" data-label="Condition">
        <Condition rule={rule} />
      </td>
      <td class="c-severity" data-label="Severity">
        <Mark tone={SEVERITY_TONE[severity]} /> {severity}
      </td>
      <td class="c-firing" data-label="Firing">
        {firing === 0 ? "0" : <a href={listOf(SHOWN)}>{count(firing)}</a>}
        {held === 0 ? null : (
          <small>
            {" "}
            <a href={listOf(HELD)}>+{count(held)} held back</a>
          </small>
        )}
      </td>
    </Part>
  );
}

/** When its alerts fire and when they end. */
export function Condition({ rule }: { rule: z.output<typeof RULE> }) {
  const { when, clear, for_s, keep_firing_for_s, unless } = rule;
  return (
    <>
      <code>{clean(shorten(when, TEXT_LENGTH))}</code>
      <small>
        {for_s > 0 ? <> for {seconds(for_s)}</> : null}
        {clear === "" ? null : (
          <>
            {" "}
            until <code>{clean(shorten(clear, TEXT_LENGTH))}</code>
          </>
        )}
        {keep_firing_for_s > 0 ? <> · goes on for {seconds(keep_firing_for_s)}</> : null}
        {unless.length > 0 ? <> · held back by {unless.map(clean).join(", ")}</> : null}
      </small>
    </>
  );
}
