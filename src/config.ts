import { isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import {
  basePath,
  bytes,
  complaint,
  didYouMean,
  duration,
  externalUrl,
  frameAncestors,
  host,
  integer,
  links,
  networks,
  oneOf,
  onOff,
  optional,
  path,
  type Setting,
  type SettingInForce,
  secret,
  setting,
  token,
  type ValueOf,
} from "./kinds.ts";
import type { Connector } from "./metrics/collect/connect/connector.ts";
import { readConnectors } from "./metrics/collect/connect/file.ts";
import { LINK_WORDS } from "./metrics/links-out.ts";

/** Every setting once: flags, environment, file, README's table and the type below follow from it. */
export const SETTINGS = {
  config: setting(
    optional(path),
    "",
    "A YAML file of these settings, one `name: value` a line, and of connectors",
  ),
  host: setting(host, "127.0.0.1", "The address to listen on"),
  port: setting(integer(0, 65_535, "PORT"), "8080", "The port to listen on; 0 takes any free one"),
  base_path: setting(basePath, "/", "Where the dashboard lives below its host, for a reverse proxy"),
  trusted_proxies: setting(
    networks,
    "",
    "Reverse proxies whose `Forwarded` and `X-Forwarded-*` headers are believed; of anybody else they are ignored",
  ),
  tls_cert: setting(
    optional(path),
    "",
    "A PEM file of the certificate and what leads up to its root: HTTPS with HTTP/2, read again when it is renewed",
  ),
  tls_key: setting(optional(path), "", "The PEM file of the certificate's private key, without a passphrase"),
  db: setting(path, "data/evenkeel.db", "The SQLite file; its folder is made if it is missing"),
  tick_ms: setting(integer(250, 60_000, "MS"), "1000", "Milliseconds between two ticks"),
  ingest_token: secret(
    optional(token),
    "What a sender must show to report, as `Authorization: Bearer …`; empty lets anybody report, while there are no users",
  ),
  allow_unprotected: setting(onOff, "off", "Listen beyond loopback although nobody has to log in"),
  frame_ancestors: setting(frameAncestors, "self", "Who may embed pages in a frame: self, none or origins"),
  demo: setting(
    oneOf("on", "off", "auto"),
    "auto",
    "The demo fleet; auto runs it until a real report comes or a connector is configured",
  ),
  demo_workers: setting(integer(1, 10_000), "15", "Workers of the demo fleet"),
  demo_tasks: setting(integer(0, 100_000), "80", "Tasks that the demo fleet keeps unfinished"),
  demo_seed: setting(integer(0, 4_294_967_295), "1", "The same seed gives the same demo fleet"),
  retention: setting(duration("1h", "366d"), "7d", "How long every second of every series is kept"),
  summary_retention: setting(
    duration("1h", "3660d"),
    "7d",
    "How long the mean, smallest and largest of each hour are kept; longer than retention where that matters",
  ),
  task_retention: setting(duration("1h", "366d"), "7d", "How long ended tasks are kept"),
  max_db_bytes: setting(
    bytes("0", "16384GiB"),
    "0",
    "The database's limit on disk, 0 for none: beyond it the oldest hours keep only their summaries",
  ),
  grace: setting(duration("15m", "1d"), "15m", "How old a report may be when it arrives"),
  worker_ttl: setting(duration("1m", "366d"), "1h", "How long a lost worker is still listed"),
  task_ttl: setting(duration("1m", "366d"), "24h", "A task that nobody mentions this long is orphaned"),
  alerts: setting(
    optional(path),
    "",
    "A YAML file of alert rules and of who is told, read again on SIGHUP; without it the default rules hold",
  ),
  external_url: setting(
    externalUrl,
    "",
    "Where people reach the dashboard, for links in messages; empty for the address that it listens on",
  ),
  worker_links: setting(
    links(LINK_WORDS.worker),
    "",
    "Where else a worker is looked up, such as its logs; shown on its page",
  ),
  task_links: setting(links(LINK_WORDS.task), "", "The same of a task, such as its trace"),
  alert_links: setting(links(LINK_WORDS.alert), "", "The same of an alert, such as its runbook"),
  max_body_bytes: setting(bytes("1KiB", "1GiB"), "16MiB", "The largest body, after decompression"),
  max_reports_per_body: setting(integer(1, 1_000_000), "10000", "Reports in one body"),
  max_buffered_reports: setting(integer(1, 10_000_000), "50000", "Reports that wait for the next tick"),
  max_workers: setting(integer(1, 1_000_000), "20000", "Workers held live"),
  max_live_tasks: setting(integer(1, 10_000_000), "200000", "Tasks held live"),
  max_metric_names_per_source: setting(integer(0, 10_000), "64", "Made-up metric names of one source"),
  max_tags: setting(integer(0, 10_000), "64", "Tags of one worker or of one task's requirements"),
  max_string_length: setting(integer(64, 1_048_576), "1024", "Characters of one text in a report"),
  max_viewers: setting(integer(1, 1_000_000), "12000", "Streams and WebSockets open at once"),
  max_connections: setting(
    integer(1, 1_000_000),
    "16384",
    "Connections open at once; further ones are closed",
  ),
  max_topics: setting(integer(1, 100_000), "500", "Different panels and filters watched at once"),
  log_level: setting(oneOf("error", "warn", "info", "debug"), "info", "The least that is logged"),
} satisfies Record<string, Setting<unknown>>;

type Table = typeof SETTINGS;
export type SettingName = keyof Table;
/** Setting names to what was written for them. */
export type SettingTexts = Partial<Record<SettingName, string>>;

/** The settings in force. A duration's name ends in its unit: `retention` is read as `retention_ms`. */
export type Settings = {
  readonly [K in SettingName as Table[K] extends { unit: "ms" } ? `${K}_ms` : K]: ValueOf<Table[K]>;
};

export interface LoadedSettings {
  readonly settings: Settings;
  /** One a setting, in the table's order: what was written, and where. */
  readonly origins: readonly Origin[];
  /** Those of the config file, in its order. */
  readonly connectors: readonly Connector[];
}

/** A setting as it was written: by whom, and what. */
export interface Origin {
  readonly name: SettingName;
  readonly text: string;
  /** The setting as the person named it, such as `--tick-ms` or `config.yaml: tick_ms`; or "default". */
  readonly from: string;
  /** Ends an error's sentence, such as ", line 3"; else empty. */
  readonly place: string;
}

/** Everything that is wrong with the settings, one sentence each. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

export interface ConfigSources {
  /** What the command line gave, by setting name. */
  readonly flags: SettingTexts;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads the config file; throws where it can't. */
  readFile(path: string): string;
}

const NAMES = Object.keys(SETTINGS) as SettingName[];
const FILE_NAMES = NAMES.filter((name) => name !== "config");
/** What a config file may hold beside settings. */
const CONNECTORS = "connectors";
const ENV_PREFIX = "EVENKEEL_";
const DEFAULT = "default";

export const flagName = (name: string) => `--${name.replaceAll("_", "-")}`;
export const envName = (name: string) => ENV_PREFIX + name.toUpperCase();

/**
 * Flag before EVENKEEL_* before config file before default. Every value given is checked, even one that
 * another overrides; throws a ConfigError with all problems.
 */
export function loadSettings({ flags, env, readFile }: ConfigSources): LoadedSettings {
  const problems: string[] = [];
  const written = [...fromFlags(flags), ...fromEnv(env, problems)];
  const file = written.find(({ name }) => name === "config")?.text;
  const inFile = file ? fromFile(file, readFile, problems) : NO_FILE;
  written.push(...inFile.written);
  problems.push(...written.flatMap(wrong));

  if (problems.length > 0) throw new ConfigError(problems);

  const origins = NAMES.map((name): Origin => {
    const first = written.find((w) => w.name === name);
    return first ?? { name, text: SETTINGS[name].default, from: DEFAULT, place: "" };
  });
  const values = origins.map(({ name, text }) => [property(name), SETTINGS[name].read(text)]);
  const { connectors } = inFile;
  const loaded: LoadedSettings = { settings: Object.fromEntries(values) as Settings, origins, connectors };
  const conflicts = [...halfCertificate(loaded), ...tooSmallBuffer(loaded)];
  if (conflicts.length > 0) throw new ConfigError(conflicts);
  return loaded;
}

/** The settings in force, in the table's order. Secrets are left out. */
export function settingsInForce({ settings, origins }: LoadedSettings): SettingInForce[] {
  const values: Readonly<Record<string, unknown>> = settings;
  return origins.map(({ name, text, from }) => {
    const { default: standard, rule, help, secret } = SETTINGS[name];
    const value = values[property(name)];
    // Numbers are shown as written: 7d says more than 604800000.
    const shown = typeof value === "string" ? value : isTexts(value) ? value.join(" ") : text;
    const variable = envName(name);
    return {
      name,
      variable,
      value: secret && text !== "" ? null : shown,
      default: standard,
      from,
      rule,
      help,
    };
  });
}

/** The effective settings, a line each, and where each came from; secrets are masked. */
export function describeSettings(loaded: LoadedSettings): string {
  const asked = loaded.connectors.map(({ name, kind, address, interval_ms }) => {
    return `connectors: ${name}, ${kind} at ${address}, every ${interval_ms / 1000} s\n`;
  });
  const lines = settingsInForce(loaded).map(
    ({ name, value, from }) => `${name}: ${value === null ? "********" : value || '""'}  # ${from}\n`,
  );
  return [...lines, ...asked].join("");
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

/** The address of the server that these settings start, as a process on the same machine reaches it. */
export function serverUrl({ settings }: LoadedSettings): string {
  const { host, port, base_path, tls_cert } = settings;
  if (port === 0) throw new ConfigError(["port is 0, which is any free one: name the server with --url"]);
  const reached = EVERY_ADDRESS[host] ?? host;
  return `${tls_cert === "" ? "http" : "https"}://${reached.includes(":") ? `[${reached}]` : reached}:${port}${base_path}`;
}

/** Who listens on every address is asked at loopback. */
const EVERY_ADDRESS: Readonly<Partial<Record<string, string>>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

/** The demo fleet has a database of its own: `data/evenkeel.db` → `data/evenkeel-demo.db`. */
export function demoPath(db: string): string {
  return db.endsWith(".db") ? `${db.slice(0, -3)}-demo.db` : `${db}-demo`;
}

/** README's table of settings, as Markdown. */
export function settingsTable(): string {
  const rows = NAMES.map((name) => {
    const { default: standard, rule, help } = SETTINGS[name];
    return `| \`${envName(name)}\` | ${standard === "" ? "" : `\`${standard}\``} | ${rule} | ${help} |`;
  });
  return ["| Variable | Default | Must be | Meaning |", "|---|---|---|---|", ...rows].join("\n");
}

function fromFlags(flags: SettingTexts): Origin[] {
  return NAMES.flatMap((name) => {
    const text = flags[name];
    return text === undefined ? [] : [{ name, text, from: flagName(name), place: "" }];
  });
}

function fromEnv(env: ConfigSources["env"], problems: string[]): Origin[] {
  return Object.entries(env).flatMap(([variable, text]) => {
    if (!variable.startsWith(ENV_PREFIX) || text === undefined) return [];
    const name = NAMES.find((known) => envName(known) === variable);
    if (name !== undefined) return [{ name, text, from: variable, place: "" }];
    const rest = variable.slice(ENV_PREFIX.length).toLowerCase();
    problems.push(`${variable} is not a setting${didYouMean(rest, NAMES, envName)}`);
    return [];
  });
}

interface InFile {
  readonly written: readonly Origin[];
  readonly connectors: readonly Connector[];
}

const NO_FILE: InFile = { written: [], connectors: [] };

function fromFile(file: string, readFile: ConfigSources["readFile"], problems: string[]): InFile {
  let source: string;
  try {
    source = readFile(file);
  } catch (error) {
    problems.push(`${file} can't be read: ${error instanceof Error ? error.message : error}`);
    return NO_FILE;
  }
  const lines = new LineCounter();
  const { contents, errors } = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number) => `, line ${lines.linePos(offset).line}`;
  for (const { message, pos } of errors) problems.push(`${file}: ${message}${place(pos[0])}`);
  if (errors.length > 0 || contents === null) return NO_FILE;
  if (!isMap(contents)) {
    problems.push(`${file} must hold one \`name: value\` a line`);
    return NO_FILE;
  }
  const written = contents.items.flatMap(({ key, value }) => {
    const given = isScalar(key) ? String(key.value) : "a key that is no text";
    if (given === CONNECTORS) return [];
    const at = isScalar(key) ? place(key.range![0]) : "";
    const name = FILE_NAMES.find((known) => known === given);
    const text = textOf(value);
    const from = `${file}: ${given}`;
    if (name !== undefined && text !== undefined) return [{ name, text, from, place: at }];
    if (name === undefined)
      problems.push(`${from} is not a setting${at}${didYouMean(given, [...FILE_NAMES, CONNECTORS])}`);
    else problems.push(`${from} must be ${SETTINGS[name].rule}; got something nested${at}`);
    return [];
  });
  const read = contents.has(CONNECTORS) ? readConnectors(source, file) : NO_FILE;
  if (!("problems" in read)) return { written, connectors: read.connectors };
  problems.push(...read.problems);
  return { ...NO_FILE, written };
}

/** A scalar as it was written (so that a token of digits keeps them all), a list joined by commas. */
function textOf(node: unknown): string | undefined {
  if (isScalar(node)) return node.source ?? "";
  if (!isSeq(node)) return undefined;
  const items = node.items.map(textOf);
  return items.includes(undefined) ? undefined : items.join(",");
}

function wrong({ name, text, from, place }: Origin): string[] {
  const rule: Setting<unknown> = SETTINGS[name];
  return rule.read(text) === undefined ? [complaint(from, rule, text) + place] : [];
}

function property(name: SettingName): string {
  return "unit" in SETTINGS[name] ? `${name}_ms` : name;
}

function halfCertificate(loaded: LoadedSettings): string[] {
  const { tls_cert, tls_key } = loaded.settings;
  if ((tls_cert === "") === (tls_key === "")) return [];
  const [given, missing] =
    tls_key === "" ? (["tls_cert", "tls_key"] as const) : (["tls_key", "tls_cert"] as const);
  return [
    `${givenAs(given, loaded)} must come with ${envName(missing)} or with neither; got "${loaded.settings[given]}" alone`,
  ];
}

function tooSmallBuffer(loaded: LoadedSettings): string[] {
  const { max_buffered_reports, max_reports_per_body } = loaded.settings;
  if (max_buffered_reports >= max_reports_per_body) return [];
  return [
    `${givenAs("max_buffered_reports", loaded)} must be at least max_reports_per_body ` +
      `(${max_reports_per_body}), or a full body could never be taken; got ${max_buffered_reports}`,
  ];
}

function givenAs(name: SettingName, { origins }: LoadedSettings): string {
  const from = origins.find((origin) => origin.name === name)?.from ?? DEFAULT;
  return from === DEFAULT ? name : from;
}
