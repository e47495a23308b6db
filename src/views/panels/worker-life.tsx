import { z } from "zod";
import { clock, counted, seconds } from "../../metrics/format.ts";
import { WORKER_STATES } from "../../metrics/model.ts";
import type { LifeState, Read } from "../../metrics/read.ts";
import { Ago, coordinate, Mark, more, Time, type Tone, WORKER_TONE } from "../components.tsx";
import { definePanel, type Table } from "../panel.ts";
import { Part } from "../part.tsx";
import { at_ms } from "../schema.ts";
import { WORKER_PARAMS, workerSubject } from "../subject.ts";

/** Changes that are told: a worker that flaps has had thousands. */
const CHANGES_LIMIT = 500;
const ROWS = 6;
const STRIP_MS = 24 * 3_600_000;
/** The strip changes when a state does, and each five minutes. */
const CELL_MS = 300_000;

/** Worst first: what a cell of the strip is shown as where there was more than one. */
const STATES = ["gone", "lost", "overloaded", "stale", "offline", "draining", "active"] as const;
type State = LifeState["state"];

const stateField = z.enum([...WORKER_STATES, "gone"]);

const data = z.object({
  at_ms,
  worker_id: z.string().describe("The worker"),
  changes: z
    .array(
      z.object({
        at_ms: z.number().describe("When it came into the state, Unix milliseconds"),
        state: stateField.describe("The state; gone once it was forgotten"),
        event: z.string().describe("What that was, in words"),
        lasted_s: z.number().nullable().describe("How long it stayed so, seconds; null where it still does"),
      }),
    )
    .describe(`Its changes of state, newest first, at most ${CHANGES_LIMIT}`),
  strip: z
    .object({
      from_ms: z.number().describe("Start of the first step, Unix milliseconds"),
      step_s: z.number().describe("Length of a step, seconds"),
      states: z
        .array(stateField.nullable())
        .describe("The worst state of each step; null before anything is known"),
    })
    .describe("The last 24 hours"),
});

type Data = z.output<typeof data>;

export const workerLife = definePanel({
  id: "worker-life",
  title: "Life",
  description: "When one worker joined, fell silent, came back, was overloaded, drained or was forgotten.",
  api: "/api/metrics/workers/:worker_id/life",
  params: WORKER_PARAMS,
  example: { worker_id: "W1" },
  data,
  past: true,
  load,
  view,
  note: ({ changes, at_ms }) => {
    const lately = changes.filter((change) => change.at_ms > at_ms - STRIP_MS).length;
    return `${lately === CHANGES_LIMIT ? "more than " : ""}${counted(lately, "change")} in 24 h`;
  },
  table,
});

function load(read: Read, { worker_id }: z.output<typeof WORKER_PARAMS>): Data {
  const { worker } = workerSubject(read, worker_id);
  const life = read.life(worker_id, CHANGES_LIMIT);
  return {
    at_ms: read.now_ms,
    worker_id,
    changes: life.map(({ at_ms, state }, index) => ({
      at_ms,
      state,
      event: eventOf(state, life[index + 1]?.state, at_ms <= worker.first_seen_ms + JOINS_WITHIN_MS),
      lasted_s: index === 0 ? null : (life[index - 1]!.at_ms - at_ms) / 1000,
    })),
    strip: stripOf(life, read.now_ms),
  };
}

/** A state is told at the tick after the report: of the first one so much later than it. */
const JOINS_WITHIN_MS = 60_000;

/** @param first whether it is the first of a worker's life, where nothing is kept of before */
function eventOf(state: State, before: State | undefined, first: boolean): string {
  if (state === "gone") return "gone";
  if (before === "gone" || (before === undefined && first))
    return state === "active" ? "joined" : `joined, ${state}`;
  if (state !== "active" || before === undefined) return state;
  if (before === "stale" || before === "lost") return "back";
  return before === "overloaded" ? "no longer overloaded" : "takes tasks again";
}

function stripOf(life: readonly LifeState[], now_ms: number): Data["strip"] {
  const to_ms = (Math.floor(now_ms / CELL_MS) + 1) * CELL_MS;
  const from_ms = to_ms - STRIP_MS;
  const states = new Array<State | null>(STRIP_MS / CELL_MS).fill(null);
  let until_ms = now_ms;
  for (const { at_ms, state } of life) {
    const first = Math.max(0, Math.floor((at_ms - from_ms) / CELL_MS));
    // What ends at a cell's start has no part in the cell.
    const end = Math.ceil((until_ms - from_ms) / CELL_MS);
    for (let cell = first; cell < Math.max(end, first + 1) && cell < states.length; cell += 1) {
      if (at_ms < from_ms && until_ms <= from_ms) break;
      states[cell] = worse(state, states[cell] ?? null);
    }
    until_ms = at_ms;
    if (at_ms <= from_ms) break;
  }
  return { from_ms, step_s: CELL_MS / 1000, states };
}

function worse(one: State, other: State | null): State {
  return other === null || STATES.indexOf(one) < STATES.indexOf(other) ? one : other;
}

function toneOf(state: State): Tone {
  return state === "gone" ? "gone" : WORKER_TONE[state];
}

function view({ changes, strip }: Data) {
  // A step shows its worst state: another one may stand in the list alone.
  const shown = new Set([...strip.states, ...changes.slice(0, ROWS).map(({ state }) => state)]);
  const there = STATES.filter((state) => shown.has(state));
  return (
    <>
      <Part id="wl-strip" class="life">
        <Strip strip={strip} />
        <div class="ends" aria-hidden="true">
          <span>24 h ago</span>
          <span>now</span>
        </div>
        <p class="legend">
          {there.map((state) => (
            <span>
              <Mark tone={toneOf(state)} /> {state}
            </span>
          ))}
        </p>
      </Part>
      <ul class="life-changes">
        {changes.length === 0 ? <li class="quiet">No change of its state is kept</li> : null}
        {Array.from({ length: changes.length === 0 ? 0 : ROWS }, (_, slot) => {
          const change = changes[slot];
          const id = `wl-${slot}`;
          if (change === undefined) return <Part as="li" id={id} aria-hidden="true" />;
          return (
            <Part as="li" id={id}>
              <Mark tone={toneOf(change.state)} />
              <span>{change.event}</span>
              <a href={`./?at=${change.at_ms}`} title="The overview of that moment">
                <Time at_ms={change.at_ms} full />
              </a>
              {change.lasted_s === null ? (
                <Ago since_ms={change.at_ms} lasting />
              ) : (
                <span class="lasted">for {seconds(change.lasted_s)}</span>
              )}
            </Part>
          );
        })}
      </ul>
      <Part as="p" id="wl-more" class="more">
        {more(changes.length - ROWS, changes.length === CHANGES_LIMIT ? "more and older ones" : "more")}
      </Part>
    </>
  );
}

const STRIP_HEIGHT = 22;
/** A state is told by how high it stands too: the worse, the higher. */
const HEIGHTS: Record<State, number> = {
  overloaded: 22,
  stale: 17,
  lost: 12,
  gone: 3,
  draining: 8,
  offline: 5,
  active: 8,
};

interface Run {
  readonly state: State;
  readonly from: number;
  readonly to: number;
}

function Strip({ strip }: { strip: Data["strip"] }) {
  const runs = runsOf(strip.states);
  return (
    <svg
      class="strip"
      viewBox={`0 0 ${strip.states.length} ${STRIP_HEIGHT}`}
      height={STRIP_HEIGHT}
      preserveAspectRatio="none"
      role="img"
      aria-label={inWords(runs, strip)}
    >
      {runs.map(({ state, from, to }) => (
        <rect
          class={state}
          x={from}
          y={STRIP_HEIGHT - HEIGHTS[state]}
          width={coordinate(to - from)}
          height={HEIGHTS[state]}
        />
      ))}
    </svg>
  );
}

function runsOf(states: Data["strip"]["states"]): Run[] {
  const runs: { state: State; from: number; to: number }[] = [];
  states.forEach((state, cell) => {
    const last = runs.at(-1);
    if (state === null) return;
    if (last?.state === state && last.to === cell) last.to = cell + 1;
    else runs.push({ state, from: cell, to: cell + 1 });
  });
  return runs;
}

/** Newest stretches that are told in words; the list below has their times too. */
const WORDS_LIMIT = 6;

function inWords(runs: readonly Run[], { from_ms, step_s }: Data["strip"]): string {
  if (runs.length === 0) return "Nothing is known of its last 24 hours.";
  const at = (cell: number) => clock(from_ms + cell * step_s * 1000);
  const told = runs.slice(-WORDS_LIMIT).map(({ state, from }) => `${state} from ${at(from)}`);
  return `Its states in the last 24 hours, in steps of ${step_s / 60} min: ${told.join(", ")}.`;
}

function table({ changes }: Data): Table {
  return {
    columns: ["at_ms", "state", "event", "lasted_s"],
    rows: changes.map(({ at_ms, state, event, lasted_s }) => [at_ms, state, event, lasted_s]),
  };
}
