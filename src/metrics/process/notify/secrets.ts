import { url as urlKind } from "../../../kinds.ts";
import { fieldOf } from "../../yaml.ts";
import type { NotifyConfig, ReceiverConfig } from "./schema.ts";

/** Where secrets come from that need not stand in the alerts file. */
export interface SecretSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads a file as text; throws where it can't. */
  readFile(path: string): string;
}

type EmailConfig = Extract<ReceiverConfig, { kind: "email" }>;
type HttpConfig = Exclude<ReceiverConfig, { kind: "email" }>;

/** A receiver with everything it takes to reach it. */
export type HttpReceiver = Pick<HttpConfig, "name" | "kind"> & {
  readonly url: string;
  /** By their names; Authorization among them. */
  readonly headers: Readonly<Record<string, string>>;
};
export type EmailReceiver = Pick<EmailConfig, "name" | "kind" | "host" | "tls" | "from" | "to"> & {
  readonly port: number;
  readonly login: { readonly user: string; readonly password: string } | null;
};
export type Receiver = HttpReceiver | EmailReceiver;

export interface Reachable {
  readonly receivers: readonly Receiver[];
  readonly heartbeat: { readonly url: string; readonly interval_ms: number } | null;
}

const VISIBLE = /^[\x20-\x7e]*$/;
const PORTS = { starttls: 587, always: 465, none: 25 };

/**
 * The receivers and the heartbeat with their secrets: `${NAME}` in a text is the environment's, and what a field
 * ending in _file names is the file's text without the space around it.
 *
 * @returns or all that is wrong, each with its field and without any secret: "receivers[0].url …"
 */
export function reachable(config: NotifyConfig, sources: SecretSources): Reachable | { problems: string[] } {
  const problems: string[] = [];
  const reader = new SecretReader(sources, problems);
  const receivers = config.receivers.map((receiver, index): Receiver => {
    const at = ["receivers", index];
    return receiver.kind === "email" ? emailOf(receiver, at, reader) : httpOf(receiver, at, reader);
  });
  const { heartbeat } = config;
  const beat = heartbeat && { url: reader.url(heartbeat, ["heartbeat"]), interval_ms: heartbeat.interval };
  return problems.length > 0 ? { problems } : { receivers, heartbeat: beat ?? null };
}

function httpOf(config: HttpConfig, at: Path, reader: SecretReader): HttpReceiver {
  const { name, kind, bearer, bearer_file } = config;
  const headers: Record<string, string> = {};
  for (const [header, value] of Object.entries(config.headers)) {
    headers[header] = reader.visible(reader.filled(value, [...at, "headers", header]), [
      ...at,
      "headers",
      header,
    ]);
  }
  if ((bearer ?? bearer_file) !== undefined) {
    const token = reader.either(bearer, bearer_file, [...at, "bearer"]);
    headers.Authorization = `Bearer ${reader.visible(token, [...at, "bearer"])}`;
  }
  return { name, kind, url: reader.url(config, at), headers };
}

function emailOf(config: EmailConfig, at: Path, reader: SecretReader): EmailReceiver {
  const { name, kind, tls, from, to, user, password, password_file } = config;
  const login = user !== undefined && {
    user: reader.filled(user, [...at, "user"]),
    password: reader.either(password, password_file, [...at, "password"]),
  };
  const host = reader.filled(config.host, [...at, "host"]);
  return { name, kind, host, tls, from, to, port: config.port ?? PORTS[tls], login: login || null };
}

type Path = readonly (string | number)[];

class SecretReader {
  readonly #sources: SecretSources;
  readonly #problems: string[];

  constructor(sources: SecretSources, problems: string[]) {
    this.#sources = sources;
    this.#problems = problems;
  }

  url({ url, url_file }: { url?: string | undefined; url_file?: string | undefined }, at: Path): string {
    const text = this.either(url, url_file, [...at, "url"]);
    if (text === "" || urlKind.read(text) !== undefined) return text;
    return this.#wrong([...at, "url"], `must be ${urlKind.rule}; got ${text.length} characters`);
  }

  either(here: string | undefined, file: string | undefined, path: Path): string {
    if (file === undefined) return this.filled(here ?? "", path);
    const place = [...path.slice(0, -1), `${path.at(-1)}_file`];
    try {
      const text = this.#sources.readFile(file).trim();
      return text === "" ? this.#wrong(place, "names an empty file") : text;
    } catch (error) {
      return this.#wrong(place, `can't be read: ${(error as Error).message}`);
    }
  }

  /** The text with the environment's values in it. */
  filled(text: string, path: Path): string {
    return text.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
      const value = this.#sources.env[name];
      return value || this.#wrong(path, `wants the variable ${name}, which is not set`);
    });
  }

  /** As a header can carry it. */
  visible(text: string, path: Path): string {
    if (VISIBLE.test(text)) return text;
    return this.#wrong(path, `must be visible ASCII of one line; got ${text.length} characters`);
  }

  #wrong(path: Path, message: string): "" {
    this.#problems.push(`${fieldOf(path)} ${message}`);
    return "";
  }
}
