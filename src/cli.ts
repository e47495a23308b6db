import { parseArgs } from "node:util";
import { flagName, SETTINGS, type SettingTexts } from "./config.ts";
import {
  complaint,
  didYouMean,
  duration,
  integer,
  label,
  labels,
  matching,
  oneOf,
  onOff,
  optional,
  optionalDuration,
  path,
  type Setting,
  secret,
  setting,
  speed,
  token,
  url,
  type ValueOf,
} from "./kinds.ts";

type Options = Readonly<Record<string, Setting<unknown>>>;

interface CommandSpec {
  readonly summary: string;
  /** The one argument that is not a flag. */
  readonly argument?: Setting<string>;
  readonly options: Options;
}

const SERVER = setting(url, "http://127.0.0.1:8080/", "The Evenkeel server to report to");
const TOKEN = secret(optional(token), "The server's ingest token; better given as EVENKEEL_INGEST_TOKEN");

const DEMO = {
  url: SERVER,
  token: TOKEN,
  workers: setting(integer(1, 10_000), "15", "Workers of the demo fleet"),
  tasks: setting(integer(0, 100_000), "80", "Tasks that it keeps unfinished"),
  seed: setting(integer(0, 4_294_967_295), "1", "The same seed gives the same fleet"),
} satisfies Options;

const REPLAY = {
  url: SERVER,
  token: TOKEN,
  speed: setting(
    speed(0.01, 100_000),
    "1",
    "How many times faster than it was recorded; max plays all of it into the last ten minutes, at once",
  ),
  loop: setting(onOff, "off", "Start over at the end of the file, until interrupted"),
} satisfies Options;

const RECORD = {
  url: setting(url, "http://127.0.0.1:8080/", "The Evenkeel server whose reports are recorded"),
  token: TOKEN,
  duration: setting(optionalDuration("1s", "24d"), "", "How long to record; without it until interrupted"),
} satisfies Options;

const AGENT = {
  server: SERVER,
  token: TOKEN,
  id: setting(optional(label("ID")), "", "The worker that this machine is; without it the name of the host"),
  type: setting(
    optional(label("TYPE")),
    "",
    "Its worker type, such as gpu; without it whatever others report",
  ),
  tags: setting(labels, "", "Its tags, separated by commas; without them whatever others report"),
  interval: setting(duration("1s", "5m"), "1s", "How often to report"),
} satisfies Options;

const MARK = {
  url: setting(optional(url), "", "The Evenkeel server; without it the one that these settings start"),
  token: TOKEN,
  kind: setting(
    matching("1 to 32 of a-z, 0-9, _ and -, beginning with a letter", "KIND", /^[a-z][a-z0-9_-]{0,31}$/),
    "note",
    "What kind of mark it is, such as deploy or maintenance",
  ),
} satisfies Options;
/** Where the server is that was started by the same settings. */
const MARK_SETTINGS = {
  config: SETTINGS.config,
  host: SETTINGS.host,
  port: SETTINGS.port,
  base_path: SETTINGS.base_path,
  tls_cert: SETTINGS.tls_cert,
  tls_key: SETTINGS.tls_key,
} satisfies Options;

/** Which database the accounts are in. */
const ACCOUNT_SETTINGS = { config: SETTINGS.config, db: SETTINGS.db } satisfies Options;
const USER_NAME = setting(matching("text", "NAME", /^.+$/s), "", "The user");
const CHECK_CONFIG = {
  connect: setting(onOff, "off", "Ask each connector of the config file once, and say what was there"),
} satisfies Options;

const COMMANDS = {
  serve: { summary: "Serve the dashboard", options: SETTINGS },
  demo: { summary: "Send the reports of a demo fleet to a server", options: DEMO },
  replay: {
    summary: "Send the reports of a recorded file to a server",
    argument: setting(path, "", "Reports as the ingest protocol has them, one a line"),
    options: REPLAY,
  },
  record: {
    summary: "Write the reports that a server receives to a file that replay plays",
    argument: setting(path, "", "The file to write, which must not exist yet; gzipped where it ends in .gz"),
    options: RECORD,
  },
  agent: { summary: "Report this machine's CPU, memory, network, disk and GPUs to a server", options: AGENT },
  mark: {
    summary: "Set a mark on a server's charts of history, such as a deploy",
    argument: setting(matching("text", "TEXT", /^.+$/s), "", "What happened"),
    options: { ...MARK, ...MARK_SETTINGS },
  },
  backup: {
    summary: "Copy the database into a new file, also while a server runs on it",
    argument: setting(path, "", "The copy, which must not exist yet"),
    options: SETTINGS,
  },
  check: { summary: "Read the whole database and say whether it is sound", options: SETTINGS },
  "test-rules": {
    summary: "Say which alerts would fire when, in a recorded file or in series that are written down",
    argument: setting(path, "", "Reports, one a line, or a YAML file of series (.yaml, .yml)"),
    options: SETTINGS,
  },
  "test-notify": {
    summary: "Send a test to one receiver of the alerts file, or to each, and show what was answered",
    argument: setting(matching("a receiver's name", "[RECEIVER]", /^.+$/s), "", "Only to this receiver"),
    options: SETTINGS,
  },
  "user add": {
    summary: "Add a user; from the first one on everybody has to log in",
    argument: USER_NAME,
    options: {
      role: setting(oneOf("viewer", "operator", "admin"), "viewer", "What they may do"),
      ...ACCOUNT_SETTINGS,
    },
  },
  "user role": {
    summary: "Change what a user may do",
    argument: USER_NAME,
    options: {
      role: setting(oneOf("viewer", "operator", "admin"), "viewer", "What they may do"),
      ...ACCOUNT_SETTINGS,
    },
  },
  "user password": {
    summary: "Give a user another password; all their sessions end",
    argument: USER_NAME,
    options: ACCOUNT_SETTINGS,
  },
  "user remove": {
    summary: "Remove a user and end their sessions",
    argument: USER_NAME,
    options: ACCOUNT_SETTINGS,
  },
  "user list": { summary: "List the users", options: ACCOUNT_SETTINGS },
  "token add": {
    summary: "Make a token and print its secret, this once",
    argument: setting(matching("text", "NAME", /^.+$/s), "", "What it is for"),
    options: {
      role: setting(oneOf("ingest", "viewer", "operator", "admin"), "ingest", "What its holder may do"),
      sources: setting(
        matching("names separated by commas", "LIST", /^.*$/s),
        "",
        "The sources that it may report as; empty for any",
      ),
      ...ACCOUNT_SETTINGS,
    },
  },
  "token list": { summary: "List the tokens, without their secrets", options: ACCOUNT_SETTINGS },
  "token revoke": {
    summary: "Revoke a token",
    argument: setting(matching("text", "ID", /^.+$/s), "", "As token list shows it"),
    options: ACCOUNT_SETTINGS,
  },
  "check-config": {
    summary: "Show every setting, its value and where it came from; or ask each connector once",
    options: { ...CHECK_CONFIG, ...SETTINGS },
  },
} satisfies Record<string, CommandSpec>;

export type CommandName = keyof typeof COMMANDS;
const COMMAND_NAMES = Object.keys(COMMANDS) as CommandName[];

type Values<O extends Options> = { readonly [K in keyof O]: ValueOf<O[K]> };

/** What the command line asks for. Flags that are settings are for loadSettings to check. */
export type Command =
  | { readonly name: "serve" | "check"; readonly flags: SettingTexts }
  | ({ readonly name: "check-config"; readonly flags: SettingTexts } & Values<typeof CHECK_CONFIG>)
  | { readonly name: "backup"; readonly file: string; readonly flags: SettingTexts }
  | { readonly name: "test-rules"; readonly file: string; readonly flags: SettingTexts }
  | { readonly name: "test-notify"; readonly receiver: string | undefined; readonly flags: SettingTexts }
  | ({ readonly name: "demo" } & Values<typeof DEMO>)
  | ({ readonly name: "mark"; readonly text: string; readonly flags: SettingTexts } & Values<typeof MARK>)
  | ({ readonly name: "replay"; readonly file: string } & Values<typeof REPLAY>)
  | {
      readonly name: "user add" | "user role" | "user password" | "user remove" | "user list";
      readonly argument: string;
      readonly role: string;
      readonly flags: SettingTexts;
    }
  | {
      readonly name: "token add" | "token list" | "token revoke";
      readonly argument: string;
      readonly role: string;
      readonly sources: string;
      readonly flags: SettingTexts;
    }
  | ({ readonly name: "record"; readonly file: string } & Values<typeof RECORD>)
  | ({ readonly name: "agent" } & Values<typeof AGENT>)
  | { readonly name: "help"; readonly command: CommandName | undefined }
  | { readonly name: "version" };

/** A command line that can't be understood; the process ends with `exit_code`. */
export class UsageError extends Error {
  readonly exit_code = 2;

  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** @param argv What follows the program's name: `process.argv.slice(2)`. */
export function parseCommand(argv: readonly string[], env: NodeJS.ProcessEnv = {}): Command {
  const [first = "help", ...rest] = argv;
  if (first === "--version" || first === "-v") return { name: "version" };
  if (first === "--help" || first === "-h") return { name: "help", command: undefined };
  if (first === "help") {
    const [name] = rest.length === 0 ? [undefined] : named(rest);
    return { name: "help", command: name };
  }
  const [name, args] = named(argv);
  const spec: CommandSpec = COMMANDS[name];
  const { texts, argument, help } = read(name, spec, args);
  if (help) return { name: "help", command: name };
  if (isAboutAccounts(name)) return accountsCommand(name, spec, texts, argument);
  if (name === "serve" || name === "check") return { name, flags: texts };
  if (name === "check-config") {
    const { connect: _, ...flags } = texts;
    return { name, flags, ...values(CHECK_CONFIG, texts) };
  }
  if (name === "test-notify") return { name, receiver: argument, flags: texts };
  if (name === "backup") {
    if (argument === undefined) throw new UsageError("backup needs the FILE to write: evenkeel backup FILE");
    return { name, file: argument, flags: texts };
  }
  if (name === "test-rules") {
    if (argument === undefined)
      throw new UsageError(
        "test-rules needs the FILE to try them on: evenkeel test-rules FILE --alerts ALERTS",
      );
    return { name, file: argument, flags: texts };
  }

  const ingest_token = env.EVENKEEL_INGEST_TOKEN;
  if (ingest_token !== undefined) texts.token ??= ingest_token;
  if (name === "demo") return { name, ...values(DEMO, texts) };
  if (name === "agent") return { name, ...values(AGENT, texts) };
  if (name === "mark") {
    if (argument === undefined) throw new UsageError("mark needs the TEXT to set: evenkeel mark TEXT");
    const flags = Object.fromEntries(Object.entries(texts).filter(([flag]) => flag in MARK_SETTINGS));
    return { name, text: argument, flags, ...values(MARK, texts) };
  }
  if (name === "record") {
    if (argument === undefined)
      throw new UsageError("record needs the FILE to write: evenkeel record FILE --url URL");
    return { name, file: argument, ...values(RECORD, texts) };
  }
  if (argument === undefined)
    throw new UsageError("replay needs the FILE to replay: evenkeel replay FILE --url URL");
  return { name, file: argument, ...values(REPLAY, texts) };
}

type AccountsCommand = Extract<CommandName, `user ${string}` | `token ${string}`>;

function isAboutAccounts(name: CommandName): name is AccountsCommand {
  return name.startsWith("user ") || name.startsWith("token ");
}

function accountsCommand(
  name: AccountsCommand,
  spec: CommandSpec,
  texts: Readonly<Record<string, string>>,
  argument: string | undefined,
): Command {
  if (spec.argument && argument === undefined) {
    throw new UsageError(`${name} needs the ${spec.argument.placeholder}: evenkeel ${usage(name)}`);
  }
  const own = Object.fromEntries(Object.entries(spec.options).filter(([key]) => !(key in ACCOUNT_SETTINGS)));
  const { role = "", sources = "" } = values(own, texts) as { role?: string; sources?: string };
  const flags = Object.fromEntries(Object.entries(texts).filter(([key]) => key in ACCOUNT_SETTINGS));
  return { name, argument: argument ?? "", role, sources, flags } as Command;
}

/** A command of one word or of two, and what follows it. */
function named([first = "", second, ...rest]: readonly string[]): [CommandName, string[]] {
  const two = COMMAND_NAMES.find((name) => name === `${first} ${second}`);
  if (two) return [two, rest];
  const group = COMMAND_NAMES.filter((name) => name.startsWith(`${first} `));
  if (group.length > 0) throw new UsageError(`${first} is one of: ${group.join(", ")}`);
  return [commandName(first), second === undefined ? [] : [second, ...rest]];
}

/** The help of one command, or of all. */
export function helpText(command?: CommandName): string {
  if (command === undefined) {
    const lines = COMMAND_NAMES.map((name): [string, string] => [usage(name), COMMANDS[name].summary]);
    return `Usage: evenkeel COMMAND [--help]\n\n${columns([
      ...lines,
      ["help [COMMAND]", "Show this, or the help of one command"],
      ["--version", "Show the version"],
    ])}`;
  }
  const { summary, argument, options }: CommandSpec = COMMANDS[command];
  const lines = Object.entries(options).map(([name, option]): [string, string] => [
    `${flagName(name)} ${option.placeholder}`.trim(),
    option.help + (option.default === "" ? "" : ` (default ${option.default})`),
  ]);
  if (argument) lines.unshift([argument.placeholder, argument.help]);
  const layers = Object.hasOwn(options, "tick_ms") ? SETTINGS_NOTE : "";
  return `Usage: evenkeel ${usage(command)} [OPTIONS]\n\n${summary}.\n\n${columns(lines)}${layers}`;
}

const SETTINGS_NOTE = `
Each is also a variable (--tick-ms is EVENKEEL_TICK_MS) and a line of the config file (tick_ms: 1000).
A flag comes before the environment, the environment before the file.
`;

function usage(name: CommandName): string {
  const { argument }: CommandSpec = COMMANDS[name];
  return argument ? `${name} ${argument.placeholder}` : name;
}

function columns(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(...lines.map(([left]) => left.length)) + 2;
  return lines.map(([left, right]) => `  ${left.padEnd(width)}${right}\n`).join("");
}

function commandName(text: string): CommandName {
  const name = COMMAND_NAMES.find((known) => known === text);
  if (name !== undefined) return name;
  if (text.startsWith("-"))
    throw new UsageError(`a command comes before ${text}, such as: evenkeel serve ${text}`);
  throw new UsageError(
    `"${text}" is not a command${didYouMean(text, COMMAND_NAMES)} (evenkeel help lists them)`,
  );
}

interface Read {
  texts: Record<string, string>;
  argument: string | undefined;
  help: boolean;
}

/** Splits a command's arguments into flags and their texts; the texts are not checked here. */
function read(command: CommandName, spec: CommandSpec, argv: string[]): Read {
  const names = new Map(Object.keys(spec.options).map((name) => [flagName(name), name]));
  const types = Object.entries(spec.options).map(([name, { placeholder }]) => [
    flagName(name).slice(2),
    { type: placeholder === "" ? "boolean" : "string" },
  ]);
  // Not strict: parseArgs would stop at the first mistake, and suggests nothing.
  const { tokens } = parseArgs({
    args: argv,
    options: { ...Object.fromEntries(types), help: { type: "boolean", short: "h" } },
    strict: false,
    tokens: true,
  });
  const result: Read = { texts: {}, argument: undefined, help: tokens.some(isHelp) };
  if (result.help) return result;
  for (const token of tokens) {
    if (token.kind === "option") {
      const name = names.get(token.rawName);
      if (name === undefined) throw unknownFlag(command, token.rawName, [...names.keys()]);
      result.texts[name] = flagText(token, spec.options[name]!);
    } else if (token.kind === "positional") {
      if (!spec.argument || result.argument !== undefined)
        throw new UsageError(`${command} does not take the argument "${token.value}"`);
      result.argument = token.value;
    }
  }
  return result;
}

interface FlagToken {
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function isHelp(token: { kind: string; name?: string }): boolean {
  return token.kind === "option" && token.name === "help";
}

function flagText({ rawName, value, inlineValue }: FlagToken, { placeholder }: Setting<unknown>): string {
  if (placeholder === "") return value ?? "on";
  // `--db --port 80` forgot the file rather than naming it --port.
  if (value !== undefined && (inlineValue || !value.startsWith("--"))) return value;
  throw new UsageError(`${rawName} needs a value: ${rawName} ${placeholder}`);
}

function unknownFlag(command: CommandName, flag: string, known: readonly string[]): UsageError {
  return new UsageError(
    `${command} has no flag ${flag}${didYouMean(flag, known)} (evenkeel ${command} --help lists them)`,
  );
}

function values<O extends Options>(options: O, texts: Readonly<Record<string, string>>): Values<O> {
  const problems: string[] = [];
  const entries = Object.entries(options).map(([name, option]) => {
    const text = texts[name] ?? option.default;
    const value = option.read(text);
    if (value === undefined) problems.push(complaint(flagName(name), option, text));
    return [name, value];
  });
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return Object.fromEntries(entries) as Values<O>;
}
