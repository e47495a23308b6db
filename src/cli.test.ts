import { describe, expect, test } from "vitest";
import { helpText, parseCommand, UsageError } from "./cli.ts";
import { flagName, SETTINGS } from "./config.ts";

function refusal(...argv: string[]): string {
  try {
    parseCommand(argv);
  } catch (error) {
    if (error instanceof UsageError && error.exit_code === 2) return error.message;
    throw error;
  }
  return "";
}

describe("a command line", () => {
  test("of serve or check-config hands its flags on as they were written", () => {
    expect(parseCommand(["serve", "--db", "a.db", "--tick-ms=1s", "--allow-unprotected"])).toEqual({
      name: "serve",
      flags: { db: "a.db", tick_ms: "1s", allow_unprotected: "on" },
    });
    expect(parseCommand(["check-config", "--allow-unprotected=off"])).toEqual({
      name: "check-config",
      flags: { allow_unprotected: "off" },
      connect: false,
    });
    expect(parseCommand(["check-config", "--config", "a.yaml", "--connect"])).toEqual({
      name: "check-config",
      flags: { config: "a.yaml" },
      connect: true,
    });
  });

  test("of demo and replay is read, with its defaults", () => {
    expect(parseCommand(["demo", "--workers", "100", "--url", "http://a.example/fleet/"])).toEqual({
      name: "demo",
      url: "http://a.example/fleet/",
      token: "",
      workers: 100,
      tasks: 80,
      seed: 1,
    });
    expect(parseCommand(["replay", "--speed", "2.5", "week.ndjson", "--loop"])).toEqual({
      name: "replay",
      file: "week.ndjson",
      url: "http://127.0.0.1:8080/",
      token: "",
      speed: 2.5,
      loop: true,
    });
  });

  test("of record and agent is read, with its defaults", () => {
    expect(parseCommand(["record", "day.ndjson.gz", "--duration", "10m"])).toEqual({
      name: "record",
      file: "day.ndjson.gz",
      url: "http://127.0.0.1:8080/",
      token: "",
      duration: 600_000,
    });
    expect(parseCommand(["record", "a"])).toMatchObject({ duration: 0 });
    expect(parseCommand(["agent", "--tags", "vision, cuda", "--type=gpu", "--interval", "5s"])).toEqual({
      name: "agent",
      server: "http://127.0.0.1:8080/",
      token: "",
      id: "",
      type: "gpu",
      tags: ["vision", "cuda"],
      interval: 5000,
    });
    expect(parseCommand(["agent"])).toMatchObject({ type: "", tags: [], interval: 1000 });
  });

  test("of mark leaves where the server is to the settings, unless it is named", () => {
    expect(parseCommand(["mark", "rack 4", "--port", "9000", "--kind", "maintenance"])).toEqual({
      name: "mark",
      text: "rack 4",
      url: "",
      token: "",
      kind: "maintenance",
      flags: { port: "9000" },
    });
    expect(parseCommand(["mark", "x", "--url", "http://a.example/"])).toMatchObject({
      url: "http://a.example/",
      flags: {},
    });
    expect(helpText("mark")).toContain("--base-path");
  });

  test("of test-notify may name a receiver", () => {
    const flags = { alerts: "alerts.yaml" };
    expect(parseCommand(["test-notify", "--alerts", "alerts.yaml"])).toEqual({ name: "test-notify", flags });
    expect(parseCommand(["test-notify", "pager", "--alerts=alerts.yaml"])).toEqual({
      name: "test-notify",
      receiver: "pager",
      flags,
    });
  });

  test("may leave the token to the environment", () => {
    const env = { EVENKEEL_INGEST_TOKEN: "from-the-environment" };
    expect(parseCommand(["demo"], env)).toMatchObject({ token: "from-the-environment" });
    expect(parseCommand(["demo", "--token", "from-the-command-line"], env)).toMatchObject({
      token: "from-the-command-line",
    });
  });

  test.each([
    [[], { name: "help", command: undefined }],
    [["--help"], { name: "help", command: undefined }],
    [["help"], { name: "help", command: undefined }],
    [["help", "replay"], { name: "help", command: "replay" }],
    [["serve", "--help"], { name: "help", command: "serve" }],
    [["replay", "-h", "--nonsense"], { name: "help", command: "replay" }],
    [["--version"], { name: "version" }],
  ])("%j asks for help or the version", (argv, command) => expect(parseCommand(argv)).toEqual(command));
});

describe("a mistake", () => {
  test("of the speed is none where it is max", () => {
    expect(parseCommand(["replay", "--speed", "max", "week.ndjson"])).toMatchObject({ speed: Infinity });
  });

  test.each([
    [["serv"], '"serv" is not a command; did you mean serve? (evenkeel help lists them)'],
    [["help", "demos"], '"demos" is not a command; did you mean demo? (evenkeel help lists them)'],
    [["constructor"], '"constructor" is not a command (evenkeel help lists them)'],
    [["--port", "80"], "a command comes before --port, such as: evenkeel serve --port"],
    [
      ["serve", "--prot", "80"],
      "serve has no flag --prot; did you mean --port? (evenkeel serve --help lists them)",
    ],
    [["serve", "-p", "80"], /^serve has no flag -p/],
    [["serve", "now"], 'serve does not take the argument "now"'],
    [["serve", "--db"], "--db needs a value: --db FILE"],
    [["serve", "--db", "--port", "80"], "--db needs a value: --db FILE"],
    [["replay"], /^replay needs the FILE/],
    [["record"], /^record needs the FILE/],
    [
      ["record", "a", "--duration", "0"],
      /^--duration must be a duration from 1s to 24d, .*, or empty; got "0"$/,
    ],
    [["agent", "--url", "http://a/"], /^agent has no flag --url/],
    [["agent", "--tags", "a,,b"], /^--tags must be names of .*, separated by commas; got "a,,b"$/],
    [["agent", "--id", "a\u2028b"], /^--id must be 1 to 256 printable characters, or empty/],
    [["replay", "a", "b"], 'replay does not take the argument "b"'],
    [["replay", "a", "--speed", "0"], '--speed must be a number from 0.01 to 100000, or max; got "0"'],
    [
      ["demo", "--url", "fleet"],
      /^--url must be an address that starts with http:\/\/ or https:\/\/; got "fleet"$/,
    ],
  ])("as in %j is named, with what to do", (argv, message) => {
    expect(refusal(...argv)).toEqual(typeof message === "string" ? message : expect.stringMatching(message));
  });

  test("in several values is reported for all of them, without the token", () => {
    expect(refusal("demo", "--token", "hunter2", "--workers", "x")).toMatch(
      /^--token must be .*; got 7 characters\n--workers must be .*; got "x"$/,
    );
  });
});

describe("the help", () => {
  test("lists every command", () => {
    for (const name of [
      "serve",
      "demo",
      "replay FILE",
      "record FILE",
      "agent",
      "test-notify [RECEIVER]",
      "check-config",
      "--version",
    ]) {
      expect(helpText()).toContain(`  ${name}`);
    }
  });

  test("of serve lists every setting as a flag", () => {
    for (const name of Object.keys(SETTINGS)) expect(helpText("serve")).toContain(`  ${flagName(name)}`);
    expect(helpText("serve")).toContain("--port PORT");
    expect(helpText("serve")).toContain("(default 8080)");
  });

  test("of replay shows its file first", () => {
    expect(helpText("replay")).toMatch(/^Usage: evenkeel replay FILE \[OPTIONS\]\n\n.*\n\n {2}FILE /);
  });
});
