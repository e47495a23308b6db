import { setImmediate as loopTurn } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { isTurnOver, TURN_MS, turn } from "./turn.ts";

/** Waits for turns, and notes each in which it was its own. */
async function pieces(name: string, count: number, log: string[]): Promise<void> {
  for (let piece = 0; piece < count; piece++) {
    await turn();
    log.push(name);
  }
}

test("of several that work in pieces one has its piece in a turn of the event loop, each in its order", async () => {
  const log: string[] = [];
  const working = Promise.all([pieces("tick", 3, log), pieces("page", 2, log), pieces("body", 1, log)]);
  const after: number[] = [];
  while (log.length < 6) {
    await loopTurn();
    after.push(log.length);
  }
  await working;
  expect(log).toEqual(["tick", "page", "body", "tick", "page", "tick"]);
  for (const [index, count] of after.entries())
    expect(count - (after[index - 1] ?? 0)).toBeLessThanOrEqual(1);
});

test("whoever waits alone has the next turn, and again when all had theirs", async () => {
  for (let round = 0; round < 2; round++) {
    let had = false;
    const working = turn().then(() => {
      had = true;
    });
    expect(had).toBe(false);
    await loopTurn();
    await working;
    expect(had).toBe(true);
  }
});

test("a turn is over once it took so long, and where nobody has one", async () => {
  const now = vi.spyOn(performance, "now");
  now.mockReturnValue(1000);
  await turn();
  now.mockReturnValue(1000 + TURN_MS);
  expect(isTurnOver()).toBe(false);
  now.mockReturnValue(1000 + TURN_MS + 1);
  expect(isTurnOver()).toBe(true);
  now.mockRestore();
});
