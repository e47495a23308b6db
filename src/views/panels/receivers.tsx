import { z } from "zod";
import { clean, count, counted, quantity, shorten } from "../../metrics/format.ts";
import type { MessageSummary, ReceiverStatus, Telling } from "../../metrics/outbox.ts";
import type { Read } from "../../metrics/read.ts";
import { Ago, EmptyState, Figure, joined, Mark, more, Name, Time, type Tone } from "../components.tsx";
import { domId, pathSegment } from "../identity.ts";
import { rowTable } from "../list.ts";
import { definePanel, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms, noParams } from "../schema.ts";

/** Messages of each list that the data has, and those of them that are shown. */
const LIST_LIMIT = 100;
const SHOWN_LIMIT = 10;
const NAME_LENGTH = 64;
const TITLE_LENGTH = 160;
const ERROR_LENGTH = 200;

const STATES = ["failing", "refusing", "delivers", "unsent"] as const;
const OUTCOMES = ["delivered", "refused", "given_up"] as const;

export const RECEIVER_TEST = z.object({
  at_ms: z.number().describe("When the answer came, Unix milliseconds"),
  ok: z.boolean().describe("True where it took the test"),
  detail: z.string().describe("What it answered, or why it was not reached, and after how long"),
});

const instant = (what: string) => z.number().nullable().describe(`${what}, Unix milliseconds`);

const receiver = z.object({
  name: z.string().describe("Its name in the file of alerts"),
  kind: z.string().describe("How it is told, such as webhook"),
  state: z
    .enum(STATES)
    .describe(
      "failing while nothing reaches it, refusing where it refused the last message, else whether it took one",
    ),
  waiting: z.number().describe("Messages that wait for it, count"),
  delivered_ms: instant("When it last took a message, since the start; null where it took none"),
  failing_since_ms: instant("Since when nothing reaches it; null while all is well"),
  next_ms: instant("When it is tried next; null where nothing waits, and while it is being tried"),
  last_error: z.string().nullable().describe("What was wrong the last time; null where nothing was"),
  test: RECEIVER_TEST.nullable().describe("Its last test since the start; null where there was none"),
});
type Receiver = z.output<typeof receiver>;

const message = z.object({
  id: z.number().describe("In the order of telling"),
  receiver: z.string().describe("Who is told"),
  title: z.string().describe("What it is about"),
  what: z.string().describe("What is told of that, such as firing or resolved"),
  created_ms: z.number().describe("Since when it is to be told, Unix milliseconds"),
  attempts: z.number().describe("How often it was tried, count"),
  error: z.string().nullable().describe("Why it was not told; null where it was, or was not tried yet"),
});
const waitingMessage = message.extend({
  next_ms: instant("When it is tried next at the earliest; null where that is at once"),
});
const endedMessage = message.extend({
  outcome: z.enum(OUTCOMES).describe("Taken, refused for good, or given up"),
  ended_ms: z.number().describe("When that was, Unix milliseconds"),
});
type Message = z.output<typeof message>;
type Waiting = z.output<typeof waitingMessage>;
type Ended = z.output<typeof endedMessage>;

const data = z.object({
  at_ms,
  demo: z.boolean().describe("True while the demo fleet is shown, of which nobody is told"),
  receivers: z
    .array(receiver)
    .nullable()
    .describe("Who is told of alerts, in the order of the file; null of the past: not kept"),
  waiting: z
    .array(waitingMessage)
    .describe(`What is still to be told, in order, at most ${LIST_LIMIT}, as of the last seconds`),
  ended: z
    .array(endedMessage)
    .describe(`What was told, refused or given up, the newest ${LIST_LIMIT}, as of the last seconds`),
});
type Data = z.output<typeof data>;

export const receivers = definePanel({
  id: "receivers",
  title: "Receivers",
  description: "Who is told of alerts, and what is not told and why.",
  api: "/api/receivers",
  params: noParams,
  data,
  past: true,
  load,
  view,
  note,
  table,
});

function load(read: Read): Data {
  const telling = read.telling(LIST_LIMIT);
  // A message whose own pause is over still waits for its receiver's.
  const resumes_ms = new Map(telling?.receivers.map(({ name, next_ms }) => [name, next_ms ?? 0]));
  const nextOf = ({ receiver, next_ms }: MessageSummary) =>
    Math.max(next_ms ?? 0, resumes_ms.get(receiver) ?? 0) || null;
  return {
    at_ms: read.now_ms,
    demo: read.demo,
    receivers: telling?.receivers.map(receiverData) ?? null,
    waiting: telling?.waiting.map((one) => ({ ...messageData(one), next_ms: nextOf(one) })) ?? [],
    ended: telling?.ended.flatMap(endedData) ?? [],
  };
}

function receiverData(status: Telling["receivers"][number]): Receiver {
  const { name, kind, waiting, delivered_ms, failing_since_ms, next_ms, last_error, test } = status;
  return {
    name,
    kind,
    state: stateOf(status),
    waiting,
    delivered_ms,
    failing_since_ms,
    next_ms,
    last_error,
    test: test && { ...test },
  };
}

function stateOf({ failing_since_ms, last_error, delivered_ms }: ReceiverStatus): Receiver["state"] {
  if (failing_since_ms !== null) return "failing";
  if (last_error !== null) return "refusing";
  return delivered_ms === null ? "unsent" : "delivers";
}

function messageData({ id, receiver, title, what, created_ms, attempts, error }: MessageSummary): Message {
  return { id, receiver, title, what, created_ms, attempts, error };
}

function endedData(one: MessageSummary): Ended[] {
  const { outcome, ended_ms } = one;
  return outcome === null || ended_ms === null ? [] : [{ ...messageData(one), outcome, ended_ms }];
}

function note({ receivers }: Data) {
  if (receivers === null) return "";
  const trouble = receivers.filter(({ state }) => state === "failing" || state === "refusing").length;
  return joined([counted(receivers.length, "receiver"), trouble > 0 && `${count(trouble)} in trouble`]);
}

function table({ receivers }: Data): Table {
  const rows = (receivers ?? []).map(({ test, ...rest }) => ({
    ...rest,
    tested_ms: test?.at_ms ?? null,
    test: test?.detail ?? null,
  }));
  return rowTable(receiver.extend({ tested_ms: z.number(), test: z.string() }), rows);
}

const TONE: Readonly<Record<Receiver["state"], Tone>> = {
  failing: "critical",
  refusing: "warning",
  delivers: "ok",
  unsent: "gone",
};

function view({ demo, receivers, waiting, ended, at_ms }: Data) {
  if (receivers === null) {
    return (
      <EmptyState title="Not kept">
        <p>Who was told is known of the present alone.</p>
      </EmptyState>
    );
  }
  if (receivers.length === 0) {
    return (
      <EmptyState title="Nobody is told">
        <p>
          The file that <code>EVENKEEL_ALERTS</code> points to names receivers and what each is told: README
          shows one under “Be told”.
        </p>
      </EmptyState>
    );
  }
  return (
    <>
      {demo ? <p class="more">Nobody is told of the demo fleet; a test is sent all the same.</p> : null}
      <table class="sources receivers">
        <thead>
          <tr>
            {HEADS.map((label) => (
              <th scope="col">{label}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {receivers.map((one) => (
            <ReceiverRow one={one} now_ms={at_ms} />
          ))}
        </tbody>
      </table>
      <WaitingList messages={waiting} all={receivers.reduce((sum, one) => sum + one.waiting, 0)} />
      <EndedList messages={ended} />
    </>
  );
}

const HEADS = ["Receiver", "State", "Waiting", "Last taken", "Next try", "Last error", "Test"];

function ReceiverRow({ one, now_ms }: { one: Receiver; now_ms: number }) {
  const { name, kind, state, waiting, delivered_ms, last_error, test } = one;
  return (
    <Part as="tr" id={domId("rcv", name)}>
      <th scope="row">
        <Name>{shorten(name, NAME_LENGTH)}</Name> <small>{clean(kind.replaceAll("_", " "))}</small>
      </th>
      <td data-label="State">
        <Mark tone={TONE[state]} /> <StateWords one={one} />
      </td>
      <td data-label="Waiting">{count(waiting)}</td>
      <td data-label="Last taken">
        {delivered_ms === null ? <Nothing why="nothing since the start" /> : <Ago since_ms={delivered_ms} />}
      </td>
      <td data-label="Next try">
        <NextTry one={one} now_ms={now_ms} />
      </td>
      <td data-label="Last error" class="said">
        {last_error === null ? <Nothing why="none" /> : <Said text={last_error} />}
      </td>
      <td data-label="Test" class="said">
        <form method="post" action={`alerts/receivers/${pathSegment(name)}/test`}>
          <button type="submit" class="secondary" aria-label={`Test ${clean(shorten(name, NAME_LENGTH))}`}>
            Test
          </button>
        </form>
        {test === null ? null : (
          <>
            {" "}
            <Mark tone={test.ok ? "ok" : "critical"} /> <Said text={test.detail} />{" "}
            <small>
              <Ago since_ms={test.at_ms} />
            </small>
          </>
        )}
      </td>
    </Part>
  );
}

function StateWords({ one: { state, failing_since_ms } }: { one: Receiver }) {
  if (failing_since_ms !== null) {
    return (
      <>
        failing <Ago since_ms={failing_since_ms} lasting />
      </>
    );
  }
  if (state === "unsent") return <>nothing sent yet</>;
  return <>{state === "refusing" ? "refused the last" : "delivers"}</>;
}

function NextTry({ one: { waiting, next_ms }, now_ms }: { one: Receiver; now_ms: number }) {
  if (waiting === 0) return <Nothing why="nothing waits" />;
  return next_ms === null || next_ms <= now_ms ? <>now</> : <Time at_ms={next_ms} />;
}

function Nothing({ why }: { why: string }) {
  return <Figure value={quantity(null, "count")} why={why} />;
}

/** What somebody else said. */
function Said({ text }: { text: string }) {
  return <Name>{shorten(text, ERROR_LENGTH)}</Name>;
}

/** @param all how many wait for every receiver together */
function WaitingList({ messages, all }: { messages: readonly Waiting[]; all: number }) {
  if (messages.length === 0) return null;
  const shown = messages.slice(0, SHOWN_LIMIT);
  return (
    <>
      <h3>Not told yet</h3>
      <ul class="told">
        {shown.map((one) => (
          <Part as="li" id={domId("rcw", String(one.id))}>
            <About one={one} />
            <small>
              since <Time at_ms={one.created_ms} full /> ·{" "}
              {one.attempts === 0 ? "not tried yet" : counted(one.attempts, "attempt")}
              {one.next_ms === null ? null : (
                <>
                  , next at <Time at_ms={one.next_ms} />
                </>
              )}
              {one.error === null ? null : (
                <>
                  : <Said text={one.error} />
                </>
              )}
            </small>
          </Part>
        ))}
      </ul>
      {all > shown.length ? (
        <Part as="p" id="rcw-more" class="more">
          {more(all - shown.length)}
        </Part>
      ) : null}
    </>
  );
}

const OUTCOME: Readonly<Record<Ended["outcome"], readonly [Tone, string]>> = {
  delivered: ["ok", "delivered"],
  refused: ["critical", "refused"],
  given_up: ["warning", "given up"],
};

function EndedList({ messages }: { messages: readonly Ended[] }) {
  if (messages.length === 0) return null;
  const hidden = messages.length - SHOWN_LIMIT;
  return (
    <details class="data">
      <summary>What was told, refused or given up last</summary>
      <ul class="told">
        {messages.slice(0, SHOWN_LIMIT).map((one) => (
          <li>
            <About one={one} />
            <small>
              <Mark tone={OUTCOME[one.outcome][0]} /> {OUTCOME[one.outcome][1]}{" "}
              <Time at_ms={one.ended_ms} full /> after {counted(one.attempts, "attempt")}
              {one.error === null ? null : (
                <>
                  : <Said text={one.error} />
                </>
              )}
            </small>
          </li>
        ))}
      </ul>
      {hidden > 0 ? (
        <p class="more">
          <a href="api/receivers">{more(hidden)}</a>
        </p>
      ) : null}
    </details>
  );
}

function About({ one: { title, what, receiver } }: { one: Message }) {
  return (
    <p>
      {clean(shorten(what, NAME_LENGTH))}: <Name>{shorten(title, TITLE_LENGTH)}</Name>{" "}
      <small>
        to <Name>{shorten(receiver, NAME_LENGTH)}</Name>
      </small>
    </p>
  );
}
