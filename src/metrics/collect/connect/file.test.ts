import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readConnectors } from "./file.ts";
import { readSecret } from "./secret.ts";

const read = (text: string) => readConnectors(text, "evenkeel.yaml");

test("a file names connectors beside its settings", () => {
  const found = read(`
port: 80
connectors:
  - { kind: coordinator, name: lab, url: http://lab.example/api-root }
  - kind: coordinator
    name: far
    interval: 10s
    timeout: 2s
    url: https://far.example/
    api_key_file: far.key
    time_zone: Europe/Berlin
    max_priority: 100
    id_prefix: far/
`);
  expect(found).toMatchObject({
    connectors: [
      { name: "lab", address: "http://lab.example/api-root/", interval_ms: 1000, timeout_ms: 5000 },
      {
        name: "far",
        kind: "coordinator",
        address: "https://far.example/",
        interval_ms: 10_000,
        timeout_ms: 2000,
      },
    ],
  });
  expect(read("port: 80")).toEqual({ connectors: [] });
});

const LAB = "kind: coordinator\n    name: lab\n    url: http://lab.example";

test.each([
  ["connectors: lab", ['connectors must be a list of connectors; got "lab", line 1']],
  [
    "connectors:\n  - lab",
    [expect.stringMatching(/^connectors\[0\] must be a connector: .*; got "lab", line 2$/)],
  ],
  [
    "connectors:\n  - kind: cordinator\n    name: lab",
    [
      'connectors[0].kind must be one of coordinator, prometheus; got "cordinator"; did you mean coordinator?, line 2',
    ],
  ],
  [
    "connectors:\n  - kind: coordinator\n    url: ftp://lab\n    interval: 1",
    [
      "connectors[0].name must be 1 to 64 of A-Z, a-z, 0-9 and _ . @ - and space; got nothing, line 2",
      "connectors[0].interval must be a duration from 250ms to 1h, such as 90s, 15m, 24h or 7d; got 1, line 4",
      expect.stringMatching(/^connectors\[0\]\.url must be an address .*; got "ftp:\/\/lab", line 3$/),
    ],
  ],
  [
    `connectors:\n  - ${LAB}\n    api_key: secret\n    time_zon: UTC`,
    [
      'connectors[0] has no field "api_key", line 5',
      'connectors[0] has no field "time_zon"; did you mean time_zone?, line 6',
    ],
  ],
  [
    `connectors:\n  - ${LAB}\n    time_zone: Mars\n    max_priority: 0\n    id_prefix: "a b"`,
    [
      'connectors[0].time_zone must be a time zone by its IANA name, such as Europe/Berlin; got "Mars", line 5',
      "connectors[0].max_priority must be a whole number from 1 to 1000000; got 0, line 6",
      'connectors[0].id_prefix must be at most 32 of A-Z, a-z, 0-9 and _ . : / -; got "a b", line 7',
    ],
  ],
  [
    `connectors:\n  - ${LAB}\n    api_key_env: KEY\n    api_key_file: key`,
    ["connectors[0].api_key_env must not stand beside api_key_file, line 5"],
  ],
  [
    `connectors:\n  - ${LAB}\n  - ${LAB}`,
    ['connectors[1].name must be a name of its own; got "lab" again, line 6'],
  ],
  [
    "connectors:\n  - kind: coordinator\n    name: lab\n    url: http://ann:pw@lab.example",
    [expect.stringMatching(/^connectors\[0\]\.url must be an address .* without user, password/)],
  ],
])("%j is refused by field, rule, value and line", (text, problems) => {
  const found = read(text);
  if (!("problems" in found)) throw new Error("it was read");
  expect(found.problems.map((one) => one.replace(/^evenkeel\.yaml: /, ""))).toEqual(problems);
});

test("a secret comes from a variable or a file, as it is when it is needed, and no error shows it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-secret-"));
  const file = join(folder, "key");
  writeFileSync(file, "first\n");
  const secret = (place: object, env = {}) => readSecret(place, "api_key", env);
  expect(await secret({})).toBeNull();
  expect(await secret({ env: "KEY" }, { KEY: " shown " })).toBe("shown");
  expect(await secret({ file })).toBe("first");
  writeFileSync(file, "second");
  expect(await secret({ file })).toBe("second");
  writeFileSync(file, "two\nlines");
  await expect(secret({ file })).rejects.toThrow(
    "which must hold visible ASCII of one line; got 9 characters",
  );
  writeFileSync(file, "");
  await expect(secret({ file })).rejects.toThrow("got 0 characters");
  await expect(secret({ file: join(folder, "none") })).rejects.toThrow("api_key_file can't be read: ENOENT");
  await expect(secret({ env: "KEY" })).rejects.toThrow(
    "api_key_env names the variable KEY, which is not set",
  );
  rmSync(folder, { recursive: true });
});
