import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  basePath,
  bytes,
  complaint,
  decimal,
  didYouMean,
  duration,
  frameAncestors,
  host,
  integer,
  isLoopback,
  links,
  networks,
  oneOf,
  onOff,
  optional,
  secret,
  setting,
  token,
  url,
} from "./kinds.ts";

describe("a whole number", () => {
  const kind = integer(250, 60_000);

  test("is taken within its range and refused just outside it", () => {
    expect([249, 250, 60_000, 60_001].map((n) => kind.read(String(n)))).toEqual([
      undefined,
      250,
      60_000,
      undefined,
    ]);
  });

  test.each(["", "1s", " 500", "500.0", "5e2", "0x1f4", "-500", "٥٠٠"])("is not %j", (text) => {
    expect(kind.read(text)).toBeUndefined();
  });
});

test("a number may have decimals", () => {
  const kind = decimal(0.01, 1000);
  expect(["0.5", "10", "0.001", "1e2", ".5"].map(kind.read)).toEqual([
    0.5,
    10,
    undefined,
    undefined,
    undefined,
  ]);
});

test("a duration is read as milliseconds and needs a unit", () => {
  const kind = duration("500ms", "366d");
  expect(["500ms", "1.5s", "15m", "24h", "7d"].map(kind.read)).toEqual([
    500, 1500, 900_000, 86_400_000, 604_800_000,
  ]);
  expect(["499ms", "367d", "15", "15min", "m", "1h30m", "-1h", "toString"].map(kind.read)).toEqual(
    Array(8).fill(undefined),
  );
});

test("a size is bytes, or KiB, MiB, GiB", () => {
  const kind = bytes("1KiB", "1GiB");
  expect(["1024", "16MiB", "16 MiB", "1GiB"].map(kind.read)).toEqual([1024, 2 ** 24, 2 ** 24, 2 ** 30]);
  expect(["1023", "16MB", "1.0001GiB", "constructor"].map(kind.read)).toEqual(Array(4).fill(undefined));
});

test("a switch is on or off, as YAML's true and false too", () => {
  expect(["on", "true", "off", "false", "yes", "", "toString"].map(onOff.read)).toEqual([
    true,
    true,
    false,
    false,
    undefined,
    undefined,
    undefined,
  ]);
});

test("a choice is one of its words", () => {
  const kind = oneOf("on", "off", "auto");
  expect(kind.read("auto")).toBe("auto");
  expect(kind.read("Auto")).toBeUndefined();
});

test("a host is a name or an address, never a URL", () => {
  expect(["127.0.0.1", "::1", "fleet.example", "http://fleet.example", "a b", ""].map(host.read)).toEqual([
    "127.0.0.1",
    "::1",
    "fleet.example",
    undefined,
    undefined,
    undefined,
  ]);
});

test("a URL is http or https", () => {
  expect(
    ["http://127.0.0.1:8080/x", "https://a.example", "ftp://a", "a.example", "http://"].map(url.read),
  ).toEqual(["http://127.0.0.1:8080/x", "https://a.example", undefined, undefined, undefined]);
});

test("a token has 16 characters or more, or is empty where that is allowed", () => {
  expect(token.read("x".repeat(15))).toBeUndefined();
  expect(token.read("x".repeat(16))).toBe("x".repeat(16));
  expect(token.read(`${"x".repeat(16)} y`)).toBeUndefined();
  expect(token.read("")).toBeUndefined();
  expect(optional(token).read("")).toBe("");
});

describe("a base path", () => {
  test.each([
    ["/", "/"],
    ["fleet", "/fleet/"],
    ["/a/b.c~d_e-f", "/a/b.c~d_e-f/"],
    ["/a/b/", "/a/b/"],
  ])("%j is read as %j", (text, path) => expect(basePath.read(text)).toBe(path));

  test.each(["", "//evil.example", "/a//b", "/../a", "/a/.", "/a b", "/a?b", '/"', "/é"])(
    "is not %j",
    (text) => {
      expect(basePath.read(text)).toBeUndefined();
    },
  );

  test("begins and ends with a slash, and reads to itself", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9._~/-]{1,30}$/), (text) => {
        const path = basePath.read(text);
        if (path === undefined) return;
        expect(path).toMatch(/^\/([A-Za-z0-9._~-]+\/)*$/);
        expect(basePath.read(path)).toBe(path);
      }),
    );
  });
});

describe("frame ancestors", () => {
  test("are read as the header's values", () => {
    expect(frameAncestors.read("self, https://wiki.example:8443 https://*.example")).toEqual([
      "'self'",
      "https://wiki.example:8443",
      "https://*.example",
    ]);
    expect(frameAncestors.read("none")).toEqual(["'none'"]);
  });

  test.each([
    "",
    "none, self",
    "wiki.example",
    "https://a.example/path",
    "https://a; script-src *",
    "javascript:",
  ])("are not %j", (text) => expect(frameAncestors.read(text)).toBeUndefined());

  test("never break out of their header, whatever is written", () => {
    const piece = fc.oneof(
      fc.constantFrom("self", "https://", "a.example", "*", ":", ",", ";", " ", "'", "\n"),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const sources = frameAncestors.read(pieces.join("")) ?? [];
        for (const source of sources) expect(source).toMatch(/^[A-Za-z0-9.:/*'-]+$/);
      }),
    );
  });
});

describe("links", () => {
  const kind = links(["worker", "from_ms"]);

  test("have names, and may have commas, braces and words of theirs in their addresses", () => {
    expect(kind.read("")).toEqual([]);
    expect(
      kind.read("Logs=https://a.example/x?q={worker},b&t={from_ms}, All traces=http://[::1]:3000/#({a:1})"),
    ).toEqual([
      { name: "Logs", url: "https://a.example/x?q={worker},b&t={from_ms}" },
      { name: "All traces", url: "http://[::1]:3000/#({a:1})" },
    ]);
    expect(kind.rule).toContain("in each URL after its host any of {worker} {from_ms}");
  });

  test.each([
    "https://a.example/",
    "Logs=a.example",
    "Logs=javascript:alert(1)",
    "Logs=ftp://a.example/",
    "Logs=https://{worker}/",
    "Logs=https://a.example{worker}/",
    "Logs=https://a.example\\{worker}",
    "Logs=https://me:secret@a.example/",
    "Logs=https://a.example/{hostname}",
    "Logs=https://a.example/{__proto__}",
    "Logs=https://a.example/a b",
    "Logs=https://",
    "=https://a.example/",
    "Logs=https://a.example/1, Logs=https://a.example/2",
    "x=https://a.example/, ".repeat(11),
    `${"n".repeat(41)}=https://a.example/`,
    `Logs=https://a.example/${"x".repeat(3_000)}`,
  ])("are not %j", (text) => expect(kind.read(text)).toBeUndefined());
});

describe("an error", () => {
  test("names the setting as the person gave it, the rule and what came", () => {
    expect(complaint("--port", setting(integer(0, 65_535), "8080", ""), "x\n")).toBe(
      '--port must be a whole number from 0 to 65535; got "x\\n"',
    );
  });

  test("does not show a secret", () => {
    const text = complaint("--token", secret(token, ""), "hunter2");
    expect(text).toContain("got 7 characters");
    expect(text).not.toContain("hunter2");
  });

  test("suggests the nearest name, or none", () => {
    expect(didYouMean("prot", ["host", "port", "db"])).toBe("; did you mean port?");
    expect(didYouMean("max_topic", ["max_topics", "max_tags"])).toBe("; did you mean max_topics?");
    expect(didYouMean("elephant", ["host", "port", "db"])).toBe("");
  });
});

describe("a list of networks", () => {
  test("is of IP addresses and of what their first bits cover", () => {
    expect(networks.read("10.0.0.0/8, ::1 2001:db8::/48,127.0.0.1")).toEqual([
      "10.0.0.0/8",
      "::1",
      "2001:db8::/48",
      "127.0.0.1",
    ]);
    expect(networks.read("0.0.0.0/0 ::/128")).toEqual(["0.0.0.0/0", "::/128"]);
    expect(networks.read("")).toEqual([]);
  });

  test.each([
    "proxy.example",
    "10.0.0.0/33",
    "::1/129",
    "10.0.0",
    "10.0.0.0/8/8",
    "10.0.0.0/",
    "10.0.0.0/-1",
  ])("is not %j", (text) => expect(networks.read(text)).toBeUndefined());
});

describe("a loopback address", () => {
  test.each(["127.0.0.1", "127.1.2.3", "::1", "localhost"])("is %s", (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  test.each(["0.0.0.0", "::", "10.0.0.1", "fleet.example", "127.example", "0"])("is not %s", (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});
