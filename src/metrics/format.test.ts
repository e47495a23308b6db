import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  asWideAs,
  clean,
  clock,
  count,
  instant,
  iso,
  measure,
  quantity,
  seconds,
  shares,
  shorten,
  shortenStart,
  visible,
} from "./format.ts";

/** The same text with ordinary spaces. */
const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, " ");

describe("seconds", () => {
  test.each([
    [0, "0 s"],
    [0.0001, "<1 ms"],
    [0.04, "40 ms"],
    [0.0996, "0.1 s"],
    [4.12, "4.1 s"],
    [12.4, "12.4 s"],
    [59.94, "59.9 s"],
    [59.96, "1 m 0 s"],
    [72, "1 m 12 s"],
    [3599.6, "1 h 0 m"],
    [7500, "2 h 5 m"],
    [86_400 * 3 + 4 * 3600, "3 d 4 h"],
    [-0.042, "−42 ms"],
    [Number.NaN, "–"],
    [null, "–"],
  ])("%s s reads %s", (value, text) => {
    expect(plain(seconds(value))).toBe(text);
  });
});

describe("count", () => {
  test.each([
    [0, "0"],
    [-0, "0"],
    [1.25, "1.3"],
    [1204, "1204"],
    [9999, "9999"],
    [10_000, "10 000"],
    [12_345, "12 345"],
    [999_499, "999 499"],
    [999_999, "999 999"],
    [1_000_000, "1.00 M"],
    [4_560_000, "4.56 M"],
    [-12_345, "−12 345"],
    [Number.POSITIVE_INFINITY, "–"],
    [undefined, "–"],
  ])("%s reads %s", (value, text) => {
    expect(plain(count(value))).toBe(text);
  });
});

describe("values of the catalogue's units", () => {
  test.each([
    [62.4, "percent", "62 %"],
    [0.9901, "ratio", "99.0 %"],
    [0.99999, "ratio", "99.9 %"],
    [1, "ratio", "100 %"],
    [0, "ratio", "0.0 %"],
    [182, "per_minute", "182 /min"],
    [4.25, "per_minute", "4.3 /min"],
    [12, "per_hour", "12 /h"],
    [0, "bytes", "0 B"],
    [1023, "bytes", "1023 B"],
    [1536, "bytes", "1.5 KiB"],
    [1_048_575, "bytes", "1.0 MiB"],
    [233_832_448, "bytes", "223 MiB"],
    [2_097_152, "bytes_per_second", "2.0 MiB/s"],
    [71, "celsius", "71 °C"],
    [250, "watts", "250 W"],
    [94, "score", "94"],
    [null, "percent", "–"],
    [Number.NaN, "bytes", "–"],
  ] as const)("%s as %s reads %s", (value, unit, text) => {
    expect(plain(measure(value, unit))).toBe(text);
  });

  test("a duration of two units stays whole, one of a single unit comes apart", () => {
    expect(quantity(12.4, "seconds")).toEqual({ value: "12.4", unit: "s" });
    expect(plain(quantity(72, "seconds").value)).toBe("1 m 12 s");
  });
});

describe("shares of one whole", () => {
  test.each([
    [
      [923.6, 76.4],
      ["92.4 %", "7.6 %"],
    ],
    [
      [1, 1, 1],
      ["33.4 %", "33.3 %", "33.3 %"],
    ],
    [[5], ["100 %"]],
    [
      [1, 0],
      ["100 %", "0.0 %"],
    ],
    [
      [999_999, 1],
      ["99.9 %", "0.1 %"],
    ],
    [
      [0, 0],
      ["–", "–"],
    ],
    [[], []],
  ])("%j read %j", (parts, texts) => {
    expect(shares(parts).map(plain)).toEqual(texts);
  });

  test("always add up to 100", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100_000), { minLength: 1 }), (parts) => {
        const whole = parts.reduce((sum, part) => sum + part, 0);
        fc.pre(whole > 0);
        const tenths = shares(parts).map((text) => Math.round(Number.parseFloat(text) * 10));
        expect(tenths.reduce((sum, value) => sum + value, 0)).toBe(1000);
        for (const [i, part] of parts.entries())
          expect(Math.abs(tenths[i]! - (part / whole) * 1000)).toBeLessThan(1.01);
      }),
    );
  });
});

describe("instants", () => {
  test("are given in UTC and say so", () => {
    expect(plain(clock(1_795_462_926_000))).toBe("19:42:06 UTC");
    expect(plain(instant(1_795_462_926_000))).toBe("2026-11-23 19:42:06 UTC");
  });

  test("that no calendar holds are a dash", () => {
    expect(iso(8.64e15 + 1)).toBeNull();
    expect(clock(Number.NaN)).toBe("–");
    expect(instant(Number.POSITIVE_INFINITY)).toBe("–");
  });
});

describe("names", () => {
  test("lose the characters that mark parts and that turn the text around them", () => {
    expect(clean("a\u0001b\u0002c\u0003d\u202ee\u2066f")).toBe("abcdef");
    expect(clean("مرحبا 👩‍🚀")).toBe("مرحبا 👩‍🚀");
  });

  test("are shortened between characters, never within one", () => {
    expect(shorten("🚀🚀🚀🚀", 3)).toBe("🚀🚀…");
    expect(shortenStart("🚀🚀🚀🚀", 3)).toBe("…🚀🚀");
    expect(shorten("abc", 3)).toBe("abc");
  });
});

describe("asWideAs", () => {
  test.each([
    ["999", "7", "\u2007\u20077"],
    ["999", "1234", "1234"],
    ["99.9", "100\u00a0%", "\u2008100\u00a0%"],
    ["99.9", "–", "\u2007\u2007\u2007\u2008–"],
  ])("as wide as %s, %s is led by the digits and points that it lacks", (like, text, padded) => {
    expect(asWideAs(like, text)).toBe(padded);
  });
});

describe("visible", () => {
  test.each([
    ["anna", "anna"],
    ["é 日本 👍", "é 日本 👍"],
    ["an\u202ena", "an\\u202ena"],
    ["a\u001b[31mb\r\n", "a\\u001b[31mb\\u000d\\u000a"],
    ["\u009b\u200b\u2028\ufeff\u{e0041}", "\\u009b\\u200b\\u2028\\ufeff\\udb40\\udc41"],
  ])("shows %j as %s", (text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  test("leaves nothing that is not seen, and a quoted text as quoted JSON", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(visible(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        expect(JSON.parse(visible(JSON.stringify(text)))).toBe(text);
      }),
    );
  });
});
