import { describe, expect, it } from "vitest";
import { DayRange } from "./day-range.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MIDNIGHT_MS = 1_699_920_000_000;

/** A day whose every hour brings one value. */
function tellDay(range: DayRange, day: number, valueAt: (hour: number) => number): void {
  for (let hour = 0; hour < 24; hour += 1) {
    range.enter(MIDNIGHT_MS + day * DAY_MS + hour * HOUR_MS);
    range.add(valueAt(hour));
  }
}

describe("the range of an hour of the day", () => {
  it("is unknown on the first day", () => {
    const range = new DayRange();
    tellDay(range, 0, (hour) => hour);
    expect(range.beyond(1000)).toBeNaN();
  });

  it("is what this hour and those beside it brought the day before", () => {
    const range = new DayRange();
    tellDay(range, 0, (hour) => 10 * hour);
    range.enter(MIDNIGHT_MS + DAY_MS + 12 * HOUR_MS);
    expect([range.low, range.high]).toEqual([110, 130]);
    expect([100, 110, 120, 130, 145].map((value) => range.beyond(value))).toEqual([10, 0, 0, 0, 15]);
  });

  it("goes over midnight", () => {
    const range = new DayRange();
    tellDay(range, 0, (hour) => 10 * hour);
    range.enter(MIDNIGHT_MS + DAY_MS);
    expect([range.low, range.high]).toEqual([0, 230]);
  });

  it("widens at once and narrows by half a day", () => {
    const range = new DayRange();
    tellDay(range, 0, () => 0);
    tellDay(range, 1, () => 80);
    tellDay(range, 2, () => 0);
    range.enter(MIDNIGHT_MS + 3 * DAY_MS + 12 * HOUR_MS);
    expect([range.low, range.high]).toEqual([0, 40]);
  });

  it("survives being kept in the middle of an hour", () => {
    const range = new DayRange();
    tellDay(range, 0, (hour) => hour);
    range.enter(MIDNIGHT_MS + DAY_MS);
    range.add(99);
    const again = new DayRange();
    again.restore(JSON.parse(JSON.stringify(range.toState())));
    for (const one of [range, again]) one.enter(MIDNIGHT_MS + DAY_MS + HOUR_MS);
    expect([again.low, again.high]).toEqual([1, 99]);
    expect(again.toState()).toEqual(range.toState());
  });
});
