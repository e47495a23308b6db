import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { isTimeZone, LocalTime } from "./local-time.ts";

const LATER_MS = Date.parse("2027-01-01T00:00:00Z");
const iso = (at_ms: number | undefined) => (at_ms === undefined ? null : new Date(at_ms).toISOString());

test.each([
  ["UTC", "2026-11-23T18:24:17.146488", "2026-11-23T18:24:17.146Z"],
  ["Europe/Berlin", "2026-11-23T18:24:17", "2026-11-23T17:24:17.000Z"],
  ["Europe/Berlin", "2026-07-01 18:24:17.5", "2026-07-01T16:24:17.500Z"],
  ["America/New_York", "2026-11-23T00:10:00", "2026-11-23T05:10:00.000Z"],
  ["Asia/Kathmandu", "2026-11-23T18:24:17", "2026-11-23T12:39:17.000Z"],
  // One that says its offset means it.
  ["Europe/Berlin", "2026-11-23T18:24:17+00:00", "2026-11-23T18:24:17.000Z"],
])("in %s %s is %s", (zone, text, expected) => {
  expect(iso(new LocalTime(zone).instant(text, LATER_MS))).toBe(expected);
});

test.each(["", "yesterday", "2026-11-23", "2026-13-01T00:00:00", "2026-11-23T25:00:00", null, 5, {}])(
  "%j is no time",
  (text) => expect(new LocalTime("UTC").instant(text, LATER_MS)).toBeUndefined(),
);

describe("when the clock is set", () => {
  const berlin = new LocalTime("Europe/Berlin");

  it("back, an hour that comes twice is the one that was last", () => {
    // 2026-10-25: 03:00 summer time (01:00 UTC) is 02:00 winter time.
    const first_ms = Date.parse("2026-10-25T00:30:00Z");
    const text = "2026-10-25T02:30:00";
    expect(iso(berlin.instant(text, first_ms))).toBe("2026-10-25T00:30:00.000Z");
    expect(iso(berlin.instant(text, first_ms + 3_600_000))).toBe("2026-10-25T01:30:00.000Z");
  });

  it("ahead, an hour that does not come is taken as before", () => {
    expect(iso(berlin.instant("2026-03-29T02:30:00", LATER_MS))).toBe("2026-03-29T01:30:00.000Z");
  });
});

test("what a zone's clock shows leads back to the instant, but for the hour that comes twice", () => {
  const zones = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"];
  fc.assert(
    fc.property(
      fc.constantFrom(...zones),
      fc.integer({ min: Date.parse("2020-01-01"), max: Date.parse("2030-01-01") }),
      (zone, at_ms) => {
        const shown = new Date(at_ms).toLocaleString("sv-SE", { timeZone: zone });
        const whole_ms = at_ms - (at_ms % 1000);
        expect(new LocalTime(zone).instant(shown, at_ms)).toBe(whole_ms);
      },
    ),
  );
});

test("a zone is told by its name", () => {
  expect(["UTC", "Europe/Berlin", "Mars/Olympus", ""].map(isTimeZone)).toEqual([true, true, false, false]);
});
