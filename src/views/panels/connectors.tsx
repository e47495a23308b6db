import { z } from "zod";
import { clean, count, counted, quantity, seconds, shorten } from "../../metrics/format.ts";
import type { Read } from "../../metrics/read.ts";
import { Ago, EmptyState, Figure, joined, Mark, Name, Time, type Tone } from "../components.tsx";
import { domId } from "../identity.ts";
import { rowTable } from "../list.ts";
import { definePanel } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, noParams } from "../schema.ts";

const NAME_LENGTH = 64;
const SAID_LENGTH = 240;

const STATES = ["failing", "waiting", "ok"] as const;

const instant = (what: string) => z.number().nullable().describe(`${what}, Unix milliseconds`);
const said = (what: string) => z.string().nullable().describe(what);

const connector = z.object({
  name: z.string().describe("Its name in the config file, and of the source that it reports as"),
  kind: z.string().describe("What it speaks to, such as coordinator"),
  address: z.string().describe("What it asks, without credentials"),
  state: z.enum(STATES).describe("failing while its polls fail, waiting before the first has ended, else ok"),
  interval_ms: z.number().describe("Time between two polls, milliseconds"),
  success_ms: instant("When the last poll succeeded, since the start; null where none did"),
  latency_ms: z.number().nullable().describe("How long that took, milliseconds"),
  saw: said("What was there then"),
  failing_since_ms: instant("Since when no poll succeeds; null while they do"),
  last_error: said(
    "What was wrong with the last poll that failed, or with a part of it; null where none did",
  ),
  error_ms: instant("When that was"),
  next_ms: instant("When it is asked next; null while it is being asked"),
});
type Connector = z.output<typeof connector>;

const data = z.object({
  at_ms,
  connectors: z.array(connector).describe("Every connector, in the order of the config file"),
});
type Data = z.output<typeof data>;

export const connectors = definePanel({
  id: "connectors",
  title: "Connectors",
  description:
    "The systems that Evenkeel asks itself: how each is doing, what was there, and what was wrong.",
  api: "/api/connectors",
  params: noParams,
  data,
  load,
  view,
  note,
  table: ({ connectors }) => rowTable(connector, connectors),
});

function load(read: Read): Data {
  const rows = read.self.connectors.map((one) => ({ ...one, state: stateOf(one) }));
  return { at_ms: read.now_ms, connectors: rows };
}

function stateOf({
  failing_since_ms,
  success_ms,
}: Pick<Connector, "failing_since_ms" | "success_ms">): Connector["state"] {
  if (failing_since_ms !== null) return "failing";
  return success_ms === null ? "waiting" : "ok";
}

function note({ connectors }: Data) {
  if (connectors.length === 0) return "";
  const failing = connectors.filter(({ state }) => state === "failing").length;
  return joined([counted(connectors.length, "connector"), failing > 0 && `${count(failing)} failing`]);
}

const TONE: Readonly<Record<Connector["state"], Tone>> = { failing: "critical", waiting: "gone", ok: "ok" };

const HEADS = ["Connector", "State", "Last answer", "Took", "Next", "Saw", "Last error"];

function view({ connectors }: Data) {
  if (connectors.length === 0) {
    return (
      <EmptyState title="Nothing is asked">
        <p>
          A system that can't report by itself is asked where the config file names it under{" "}
          <code>connectors</code>: README shows how under “Connect what you have”.
        </p>
      </EmptyState>
    );
  }
  return (
    <table class="sources receivers">
      <thead>
        <tr>
          {HEADS.map((label) => (
            <th scope="col">{label}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {connectors.map((one) => (
          <Row one={one} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ one }: { one: Connector }) {
  const { name, kind, address, state, success_ms, latency_ms, saw, failing_since_ms } = one;
  return (
    <Part as="tr" id={domId("con", name)}>
      <th scope="row">
        <Name>{shorten(name, NAME_LENGTH)}</Name>{" "}
        <small>
          {clean(kind)} <Name>{shorten(address, SAID_LENGTH)}</Name>
        </small>
      </th>
      <td data-label="State">
        <Mark tone={TONE[state]} />{" "}
        {failing_since_ms === null ? (
          state
        ) : (
          <>
            failing <Ago since_ms={failing_since_ms} lasting />
          </>
        )}
      </td>
      <td data-label="Last answer">
        {success_ms === null ? <Nothing why="none since the start" /> : <Ago since_ms={success_ms} />}
      </td>
      <td data-label="Took">
        {latency_ms === null ? <Nothing why="none since the start" /> : seconds(latency_ms / 1000)}
      </td>
      <td data-label="Next">
        <Next one={one} />
      </td>
      <td data-label="Saw" class="said">
        {saw === null ? <Nothing why="nothing yet" /> : <Name>{shorten(saw, SAID_LENGTH)}</Name>}
      </td>
      <td data-label="Last error" class="said">
        <LastError one={one} />
      </td>
    </Part>
  );
}

/** While all is well that is each interval; the next try of one that fails is worth an instant. */
function Next({ one: { state, next_ms, interval_ms } }: { one: Connector }) {
  if (state !== "failing") return <>{`each ${seconds(interval_ms / 1000)}`}</>;
  return next_ms === null ? <>now</> : <Time at_ms={next_ms} />;
}

function LastError({ one: { last_error, error_ms, state } }: { one: Connector }) {
  if (last_error === null || error_ms === null) return <Nothing why="none since the start" />;
  return (
    <>
      <Name>{shorten(last_error, SAID_LENGTH)}</Name>{" "}
      {state === "failing" ? null : (
        <small>
          <Ago since_ms={error_ms} />
        </small>
      )}
    </>
  );
}

function Nothing({ why }: { why: string }) {
  return <Figure value={quantity(null, "count")} why={why} />;
}
