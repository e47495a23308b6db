import { describe, expect, test } from "vitest";
import type { Run } from "../metrics/runs.ts";
import { HOSTILE } from "./fixture.ts";
import { type Bar, drawLane, keepLane, type Span } from "./lanes.ts";

const SPAN: Span = { from_ms: 0, to_ms: 100_000, known_from_ms: 0 };
const places = new Map([["vision", 1] as const, ["text", 2] as const]);

function bar(id: string, started_at_ms: number, ended_at_ms: number, change: Partial<Run> = {}): Run {
  const what = { type: "vision", model_family: null, model_id: null, worker_id: "W1", attempt: 1 };
  return { id, ...what, status: "completed", started_at_ms, ended_at_ms, ...change };
}

function open(id: string, started_at_ms: number): Bar {
  return { ...bar(id, started_at_ms, 0), status: "running", ended_at_ms: null };
}

function draw(bars: readonly Bar[], span = SPAN, lanes = 1): string {
  return drawLane(bars, { span, places, lanes });
}

/** Every bar's place: x, y, width, height. */
function boxes(svg: string): number[][] {
  return [
    ...svg.matchAll(/<rect class="(?!unknown)[^"]*" x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)"/g),
  ].map(([, ...box]) => box.map(Number));
}

describe("a lane", () => {
  test("puts each task from its start to its end, one that runs on to the edge, a gap in between", () => {
    const svg = draw([bar("a", 10_000, 30_000), open("b", 60_000)]);
    expect(boxes(svg)).toEqual([
      [100, 0, 200, 11],
      [600, 0, 402, 11],
    ]);
  });

  test("puts tasks of one time under each other, and one that follows beside the first", () => {
    const bars = [
      bar("a", 0, 50_000),
      bar("b", 10_000, 40_000),
      bar("c", 20_000, 90_000),
      bar("d", 45_000, 60_000),
    ];
    expect(boxes(draw(bars)).map(([, y]) => y)).toEqual([0, 8, 16, 8]);
  });

  test("tells a pointer what each is, and leads to it", () => {
    const svg = draw([bar("t/1", 10_000, 22_340, { model_id: "vit-base", status: "failed" })]);
    expect(svg).toContain('<a href="tasks/t%2F1" tabindex="-1">');
    expect(svg).toContain("<title>t/1 · vision, vit-base · failed after 12.3\u00a0s</title>");
  });

  test("marks what failed by a line over its whole height, and by no colour of a type", () => {
    const svg = draw([
      bar("a", 0, 50_000, { status: "failed" }),
      bar("b", 60_000, 70_000, { status: "cancelled" }),
    ]);
    expect(svg).toContain('<rect class="failed"');
    expect(svg).toContain('<rect class="cancelled"');
    expect(svg).toContain('<path class="ends" d="M500 0v24"/>');
  });

  test("draws the older of very many as one line a colour", () => {
    const bars = Array.from({ length: 60 }, (_, index) =>
      bar(`t-${index}`, index * 1000, index * 1000 + 900),
    );
    const svg = draw(bars, SPAN, 50);
    expect(boxes(svg)).toHaveLength(20);
    expect(svg.match(/<path/g)).toHaveLength(1);
    expect(svg.match(/M\d+ [\d.]+h\d+/g)).toHaveLength(40);
  });

  test("shows where nothing is known", () => {
    expect(draw([], { ...SPAN, known_from_ms: 25_000 })).toContain('<rect class="unknown" width="250"');
    expect(draw([])).not.toContain("unknown");
  });

  test("lets no hostile name become markup", () => {
    const svg = draw(
      HOSTILE.map((name, index) =>
        bar(name, index * 1000, index * 1000 + 500, { type: name, model_id: name }),
      ),
    );
    expect(svg.replace(/<\/?(svg|a|rect|path|title)( [\w-]+="[^"<>]*")*\/?>/g, "")).not.toMatch(/[<>"]/);
  });
});

describe("the bars of a lane", () => {
  const over = [bar("a", 0, 30_000), bar("b", 10_000, 60_000), bar("c", 80_000, 90_000)];

  test("are in the order of their starts, with the share of the time in which there was one", () => {
    const { bars, busy_ratio } = keepLane("order", SPAN, [over[2]!, over[0]!], [open("d", 20_000)]);
    expect(bars.map(({ id }) => id)).toEqual(["a", "d", "c"]);
    expect(busy_ratio).toBe(1);
    expect(keepLane("gap", SPAN, over, []).busy_ratio).toBe(0.7);
    expect(keepLane("none", SPAN, [], []).busy_ratio).toBe(0);
    expect(keepLane("unknown", { ...SPAN, known_from_ms: 100_000 }, [], []).busy_ratio).toBeNull();
    expect(keepLane("half", { ...SPAN, known_from_ms: 50_000 }, over, []).busy_ratio).toBe(0.4);
  });

  test("are the same again while nothing changed, and new once something did", () => {
    const first = keepLane("same", SPAN, over, [open("d", 20_000)]);
    expect(keepLane("same", SPAN, [...over], [open("d", 20_000)])).toBe(first);
    expect(keepLane("same", SPAN, over, [])).not.toBe(first);
    expect(keepLane("same", { ...SPAN, to_ms: 110_000 }, over, [])).not.toBe(first);
  });
});
