import { describe, expect, test } from "vitest";
import {
  ConfigError,
  type ConfigSources,
  describeSettings,
  envName,
  loadSettings,
  SETTINGS,
  serverUrl,
  settingsInForce,
  settingsTable,
} from "./config.ts";

function load(sources: Partial<Omit<ConfigSources, "readFile">> & { file?: string } = {}) {
  const { flags = {}, env = {}, file } = sources;
  const config = file === undefined ? {} : { config: "config.yaml" };
  return loadSettings({ flags: { ...config, ...flags }, env, readFile: () => file ?? "" });
}

function problems(sources: Parameters<typeof load>[0]): readonly string[] {
  try {
    load(sources);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("the settings", () => {
  test("without anything given are their defaults, durations in milliseconds", () => {
    expect(load().settings).toMatchObject({
      host: "127.0.0.1",
      port: 8080,
      db: "data/evenkeel.db",
      base_path: "/",
      tick_ms: 1000,
      demo: "auto",
      allow_unprotected: false,
      frame_ancestors: ["'self'"],
      retention_ms: 604_800_000,
      grace_ms: 900_000,
      max_body_bytes: 16_777_216,
    });
  });

  test.each(Object.entries(SETTINGS))("have a default for %s that keeps its own rule", (_, setting) => {
    expect(setting.read(setting.default)).toBeDefined();
  });

  test("come from the flag before the environment before the file", () => {
    const file = "port: 1\ntick_ms: 2000\nretention: 3d\n";
    const env = { EVENKEEL_PORT: "2", EVENKEEL_TICK_MS: "3000", PATH: "/bin" };
    const { settings, origins } = load({ flags: { port: "3" }, env, file });
    expect(settings).toMatchObject({ port: 3, tick_ms: 3000, retention_ms: 259_200_000 });
    const from = Object.fromEntries(origins.map((origin) => [origin.name, origin.from]));
    expect(from).toMatchObject({
      port: "--port",
      tick_ms: "EVENKEEL_TICK_MS",
      retention: "config.yaml: retention",
      db: "default",
    });
  });

  test("are read from the file that EVENKEEL_CONFIG names, and from no file where none is named", () => {
    const read: string[] = [];
    const readFile = (path: string) => {
      read.push(path);
      return "port: 9";
    };
    loadSettings({ flags: {}, env: {}, readFile });
    const { settings } = loadSettings({ flags: {}, env: { EVENKEEL_CONFIG: "a.yaml" }, readFile });
    expect(read).toEqual(["a.yaml"]);
    expect(settings.port).toBe(9);
  });
});

describe("the server that they start", () => {
  test.each([
    [{}, "http://127.0.0.1:8080/"],
    [{ EVENKEEL_PORT: "9000", EVENKEEL_BASE_PATH: "/fleet" }, "http://127.0.0.1:9000/fleet/"],
    [{ EVENKEEL_HOST: "::1" }, "http://[::1]:8080/"],
    [{ EVENKEEL_HOST: "0.0.0.0", EVENKEEL_ALLOW_UNPROTECTED: "on" }, "http://127.0.0.1:8080/"],
    [{ EVENKEEL_HOST: "::", EVENKEEL_ALLOW_UNPROTECTED: "on" }, "http://[::1]:8080/"],
    [{ EVENKEEL_TLS_CERT: "a.crt", EVENKEEL_TLS_KEY: "a.key" }, "https://127.0.0.1:8080/"],
  ])("by %j is reached at %s", (env, url) => expect(serverUrl(load({ env }))).toBe(url));

  test("on any free port has to be named", () => {
    expect(() => serverUrl(load({ flags: { port: "0" } }))).toThrow("name the server with --url");
  });
});

describe("a config file", () => {
  test("may be empty, and may hold lists, switches and long numbers", () => {
    expect(load({ file: "" }).settings.port).toBe(8080);
    expect(load({ file: "# nothing\n" }).settings.port).toBe(8080);
    const file =
      "allow_unprotected: true\ndemo: on\ningest_token: 12345678901234567890\n" +
      "frame_ancestors:\n  - self\n  - https://wiki.example\n";
    expect(load({ file }).settings).toMatchObject({
      allow_unprotected: true,
      demo: "on",
      ingest_token: "12345678901234567890",
      frame_ancestors: ["'self'", "https://wiki.example"],
    });
  });

  test("is refused with the line of each mistake", () => {
    const file = 'tick_ms: "1s"\nbase_pth: /\nhost: {a: b}\nretention:\nconfig: other.yaml\n';
    expect(problems({ file }).toSorted()).toEqual([
      "config.yaml: base_pth is not a setting, line 2; did you mean base_path?",
      "config.yaml: config is not a setting, line 5",
      "config.yaml: host must be a host name or an IP address; got something nested, line 3",
      'config.yaml: retention must be a duration from 1h to 366d, such as 90s, 15m, 24h or 7d; got "", line 4',
      'config.yaml: tick_ms must be a whole number from 250 to 60000; got "1s", line 1',
    ]);
  });

  test.each([
    ["port: 1\nport: 2\n", /^config\.yaml: Map keys must be unique, line 2$/],
    ["port: [\n", /^config\.yaml: .*, line \d$/],
    ["- port\n", /^config\.yaml must hold one `name: value` a line$/],
  ])("that is %j says so", (file, message) => expect(problems({ file })[0]).toMatch(message));

  test("may name connectors beside settings, which are shown without their keys", () => {
    const lab = "kind: coordinator\n    name: lab\n    url: http://lab.example\n    api_key_env: KEY";
    const loaded = load({ file: `port: 9\nconnectors:\n  - ${lab}\n` });
    expect(loaded.settings.port).toBe(9);
    expect(loaded.connectors).toMatchObject([{ name: "lab", kind: "coordinator" }]);
    expect(describeSettings(loaded)).toMatch(
      /\nconnectors: lab, coordinator at http:\/\/lab\.example\/, every 1 s\n$/,
    );
    expect(load().connectors).toEqual([]);
  });

  test("is refused with the mistakes in its connectors and in its settings together", () => {
    const file = "port: x\nconnectors:\n  - kind: coordinator\n    name: lab\nconnector: []\n";
    expect(problems({ file })).toEqual([
      "config.yaml: connector is not a setting, line 5; did you mean connectors?",
      expect.stringMatching(
        /^config\.yaml: connectors\[0\]\.url must be an address .*; got nothing, line 3$/,
      ),
      'config.yaml: port must be a whole number from 0 to 65535; got "x", line 1',
    ]);
  });

  test("that can't be read says why", () => {
    const readFile = () => {
      throw new Error("ENOENT: no such file");
    };
    expect(() => loadSettings({ flags: { config: "x.yaml" }, env: {}, readFile })).toThrow(
      "x.yaml can't be read: ENOENT: no such file",
    );
  });
});

describe("what is wrong", () => {
  test("is reported together, each by the name that was given, even where another value overrides it", () => {
    const wrong = problems({
      flags: { port: "http" },
      env: { EVENKEEL_PORT: "-1", EVENKEEL_TICK_MS: "1s", EVENKEEL_PROT: "80" },
      file: "demo: maybe",
    });
    expect(wrong.toSorted()).toEqual([
      '--port must be a whole number from 0 to 65535; got "http"',
      'EVENKEEL_PORT must be a whole number from 0 to 65535; got "-1"',
      "EVENKEEL_PROT is not a setting; did you mean EVENKEEL_PORT?",
      'EVENKEEL_TICK_MS must be a whole number from 250 to 60000; got "1s"',
      'config.yaml: demo must be one of on, off, auto; got "maybe", line 1',
    ]);
  });

  test("includes an empty variable where empty means nothing", () => {
    expect(problems({ env: { EVENKEEL_PORT: "" } })).toHaveLength(1);
    expect(problems({ env: { EVENKEEL_INGEST_TOKEN: "" } })).toEqual([]);
  });

  test("includes a grace period under 15 minutes", () => {
    expect(problems({ env: { EVENKEEL_GRACE: "15m" } })).toEqual([]);
    expect(problems({ env: { EVENKEEL_GRACE: "14m" } })).toHaveLength(1);
  });

  test("includes a buffer that no full body would fit into", () => {
    const flags = { max_reports_per_body: "100", max_buffered_reports: "99" };
    expect(problems({ flags })[0]).toMatch(
      /^--max-buffered-reports must be at least max_reports_per_body \(100\)/,
    );
    expect(problems({ flags: { ...flags, max_buffered_reports: "100" } })).toEqual([]);
  });

  test("includes half a certificate", () => {
    expect(problems({ flags: { tls_key: "one.key" } })).toEqual([
      '--tls-key must come with EVENKEEL_TLS_CERT or with neither; got "one.key" alone',
    ]);
    expect(problems({ env: { EVENKEEL_TLS_CERT: "one.crt" } })[0]).toMatch(
      /^EVENKEEL_TLS_CERT must come with/,
    );
    expect(problems({ flags: { tls_key: "one.key", tls_cert: "one.crt" } })).toEqual([]);
  });

  test("does not show a secret", () => {
    expect(problems({ env: { EVENKEEL_INGEST_TOKEN: "hunter2" } })[0]).not.toContain("hunter2");
  });
});

test("what is in force is shown with where it came from, and no secret", () => {
  const env = { EVENKEEL_INGEST_TOKEN: "correct-horse-battery", EVENKEEL_BASE_PATH: "fleet" };
  const text = describeSettings(
    load({ env, file: 'retention: 3d\ntask_links: ["Trace=https://t.example/{task}"]' }),
  );
  expect(text).toContain("task_links: Trace=https://t.example/{task}  # config.yaml: task_links\n");
  expect(text).toContain("base_path: /fleet/  # EVENKEEL_BASE_PATH\n");
  expect(text).toContain("retention: 3d  # config.yaml: retention\n");
  expect(text).toContain("ingest_token: ********  # EVENKEEL_INGEST_TOKEN\n");
  expect(text).toContain("port: 8080  # default\n");
  expect(text).not.toContain("correct-horse");
});

test("what is in force is told as data too: a secret that is set has no value", () => {
  const env = { EVENKEEL_INGEST_TOKEN: "correct-horse-battery" };
  const all = settingsInForce(
    load({ env, file: "retention: 3d\nframe_ancestors: [self, https://a.example]" }),
  );
  expect(all.map(({ name }) => name)).toEqual(Object.keys(SETTINGS));
  const of = (name: string) => all.find((one) => one.name === name);
  expect(of("retention")).toEqual({
    name: "retention",
    variable: "EVENKEEL_RETENTION",
    value: "3d",
    default: "7d",
    from: "config.yaml: retention",
    rule: SETTINGS.retention.rule,
    help: SETTINGS.retention.help,
  });
  expect(of("frame_ancestors")!.value).toBe("'self' https://a.example");
  expect(of("ingest_token")).toMatchObject({ value: null, from: "EVENKEEL_INGEST_TOKEN" });
  expect(of("port")).toMatchObject({ value: "8080", from: "default" });
  expect(JSON.stringify(all)).not.toContain("correct-horse");
  expect(settingsInForce(load()).find(({ name }) => name === "ingest_token")!.value).toBe("");
});

test("the README's table has a row of four cells for each setting", () => {
  const rows = settingsTable().split("\n").slice(2);
  expect(rows).toHaveLength(Object.keys(SETTINGS).length);
  for (const row of rows) expect(row.split("|")).toHaveLength(6);
  expect(rows.join("\n")).toContain(
    `| \`${envName("tick_ms")}\` | \`1000\` | a whole number from 250 to 60000 |`,
  );
});
