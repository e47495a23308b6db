import { z } from "zod";
import { EvenkeelError } from "../../../../errors.ts";
import { integer, url as urlKind } from "../../../../kinds.ts";
import { mustBe, scalar, strict } from "../../../must-be.ts";
import type { Connector, ConnectorKind, KnownBefore, Poll } from "../connector.ts";
import { readSecret } from "../secret.ts";
import { CoordinatorApi } from "./api.ts";
import { isTimeZone, LocalTime } from "./local-time.ts";
import { readWorker, type WorkerRecord } from "./record.ts";
import { TaskWatch } from "./task-watch.ts";
import { mapWorkers, type WorkersMemory } from "./workers.ts";

const MAX_WORKERS = 100_000;
/** A heartbeat this far off is none: the times are of another zone, or the clock is wrong. */
const MAX_HEARTBEAT_AGE_MS = 10 * 60_000;

const urlRule = mustBe(`${urlKind.rule}, without user, password, ? and #`);
const variable = z
  .string(mustBe("a variable's name"))
  .regex(/^[A-Za-z_]\w{0,127}$/, mustBe("a variable's name"));
const path = z.string(mustBe("the path of a file")).min(1, mustBe("the path of a file"));
const zoneRule = mustBe("a time zone by its IANA name, such as Europe/Berlin");
const prefixRule = mustBe("at most 32 of A-Z, a-z, 0-9 and _ . : / -");

const schema = strict(
  {
    url: z.string(urlRule).refine(isAddress, urlRule),
    api_key_env: variable.optional(),
    api_key_file: path.optional(),
    time_zone: z.string(zoneRule).refine(isTimeZone, zoneRule).default("UTC"),
    max_priority: scalar(integer(1, 1_000_000)).default(10),
    id_prefix: z
      .string(prefixRule)
      .regex(/^[\w.:/-]{0,32}$/, prefixRule)
      .default(""),
  },
  "a map of fields",
).superRefine(({ api_key_env, api_key_file }, context) => {
  if (api_key_env === undefined || api_key_file === undefined) return;
  const message = "must not stand beside api_key_file";
  context.addIssue({ code: "custom", path: ["api_key_env"], message });
});

type CoordinatorConfig = z.output<typeof schema>;
type Common = Pick<Connector, "name" | "interval_ms" | "timeout_ms">;

/** The coordinator of a distributed testing framework, which is polled: it has no push for who watches. */
export const COORDINATOR: ConnectorKind<typeof schema> = {
  kind: "coordinator",
  schema,
  create: (config, common) => new CoordinatorConnector(config, common),
};

function isAddress(text: string): boolean {
  if (urlKind.read(text) === undefined || /[?#]/.test(text)) return false;
  const { username, password } = new URL(text);
  return username === "" && password === "";
}

class CoordinatorConnector implements Connector {
  readonly kind = COORDINATOR.kind;
  readonly name: string;
  readonly address: string;
  readonly interval_ms: number;
  readonly timeout_ms: number;
  readonly #config: CoordinatorConfig;
  readonly #time: LocalTime;
  readonly #tasks: TaskWatch;
  #workers: WorkersMemory = new Map();

  constructor(config: CoordinatorConfig, { name, interval_ms, timeout_ms }: Common) {
    this.#config = config;
    this.name = name;
    this.interval_ms = interval_ms;
    this.timeout_ms = timeout_ms;
    this.address = config.url.endsWith("/") ? config.url : `${config.url}/`;
    this.#time = new LocalTime(config.time_zone);
    this.#tasks = new TaskWatch({ ...config, time: this.#time });
  }

  resume(before: KnownBefore): void {
    this.#tasks.resume(before);
  }

  async poll(now_ms: number, signal: AbortSignal): Promise<Poll> {
    const { api_key_env: env, api_key_file: file, id_prefix } = this.#config;
    const api = new CoordinatorApi(this.address, await readSecret({ env, file }, "api_key"), signal);
    const records: WorkerRecord[] = [];
    let raws = 0;
    for await (const page of api.workers(MAX_WORKERS)) {
      raws += page.length;
      records.push(...page.flatMap((raw) => readWorker(raw) ?? []));
    }
    const workers = mapWorkers(records, this.#workers, { id_prefix, time: this.#time }, now_ms);
    this.#checkTime(workers.heartbeat_age_ms);
    const tasks = await this.#tasks.poll(api, now_ms);
    const left_out = raws - records.length + tasks.left_out;
    return {
      reports: [{ complete: true, workers: workers.entries, tasks: tasks.entries }],
      saw: [
        `${counted(records.length, "worker")}${workers.away > 0 ? ` (${workers.away} not heard)` : ""}`,
        counted(tasks.unfinished, "unfinished task"),
        ...(tasks.ended > 0 ? [`${tasks.ended} ended`] : []),
        ...(left_out > 0
          ? [`${counted(left_out, "record")} left out (no id, or a status that is not known)`]
          : []),
        ...(workers.restricted ? ["only names of workers: the key is not an admin's"] : []),
      ].join(", "),
      taken: () => {
        this.#workers = workers.memory;
        tasks.taken();
      },
    };
  }

  /** Times in a wrong zone would be taken for waits of hours. */
  #checkTime(heartbeat_age_ms: number | null): void {
    if (heartbeat_age_ms === null || Math.abs(heartbeat_age_ms) <= MAX_HEARTBEAT_AGE_MS) return;
    const off = `${Math.round(Math.abs(heartbeat_age_ms) / 60_000)} min ${heartbeat_age_ms > 0 ? "behind" : "ahead of"}`;
    throw new EvenkeelError(
      "unprocessable",
      `${this.address}: the newest heartbeat of an active worker is ${off} our clock: time_zone must be ` +
        `the coordinator's, and its clock right; got ${this.#config.time_zone}`,
    );
  }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
