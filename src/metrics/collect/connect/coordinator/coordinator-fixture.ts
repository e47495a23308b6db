/** What tests ask in place of a coordinator: its routes over real HTTP, with whatever tasks and workers a test has it know. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const ADMIN_KEY = "admin-key";
/** Sees no more than names of workers. */
export const WORKER_KEY = "worker-key";

type Json = Record<string, unknown>;
export type WorkerJson = Json & { worker_id: string; status: string };
export type TaskJson = Json & { task_id: string; status: string; attempts: number };

/** One exchange with a real coordinator. */
export interface Recorded {
  readonly path: string;
  readonly key: string | null;
  readonly status: number;
  readonly response: Json & { workers?: WorkerJson[]; tasks?: TaskJson[]; task?: TaskJson };
}

/** In the order in which they were recorded, on 23 November 2026, on a machine whose clock showed UTC. */
export const RECORDED: readonly Recorded[] = readFileSync(new URL("recorded.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Recorded);

/** The answers of one path, oldest first. */
export function recorded(path: string, key: string = ADMIN_KEY): Recorded["response"][] {
  return RECORDED.filter((one) => one.path === path && one.key === key).map(({ response }) => response);
}

/** A local time as the coordinator writes it: no offset, microseconds. */
export function localTime(at_ms: number): string {
  return `${new Date(at_ms).toISOString().slice(0, -1)}000`;
}

export class FakeCoordinator {
  /** Ends with a slash, once it listens. */
  url = "";
  workers: WorkerJson[] = [];
  /** In the order of their creation. */
  tasks: TaskJson[] = [];
  /** Executions of each task, newest first. */
  readonly executions = new Map<string, Json[]>();
  /** Paths that it was asked for, and how many tasks it has sent. */
  readonly asked: string[] = [];
  tasks_sent = 0;
  /** Answers instead, as long as it gives an answer: to fail, to hang, to lie. */
  instead: (path: string, response: ServerResponse) => boolean = () => false;
  now_ms: () => number;
  readonly #server = createServer((request, response) => this.#answer(request, response));

  constructor(now_ms: () => number) {
    this.now_ms = now_ms;
  }

  async listen(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
    return this;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  /** A worker that just registered; one with a GPU is as those that were recorded. */
  addWorker(worker_id: string, given: Json = {}): WorkerJson {
    const [cpu, gpu] = recorded("/api/workers")[0]!.workers!;
    const at = localTime(this.now_ms());
    const { hardware_metrics } = cpu!;
    const worker = {
      ...gpu,
      hardware_metrics,
      worker_id,
      hostname: `${worker_id}.lab`,
      registered: at,
      last_heartbeat: at,
    };
    const added = {
      ...worker,
      status: "active",
      active_tasks: 0,
      tasks_completed: 0,
      tasks_failed: 0,
      ...given,
    };
    this.workers.push(added);
    return added;
  }

  beat(): void {
    for (const worker of this.workers) {
      if (worker.status === "active") worker.last_heartbeat = localTime(this.now_ms());
    }
  }

  submit(task_id: string, given: Json = {}): TaskJson {
    const task = {
      task_id,
      type: "benchmark",
      priority: 3,
      config: { model: "bert-base-uncased" },
      requirements: { hardware: ["cpu"], min_memory_gb: 4 },
      status: "pending",
      created: localTime(this.now_ms()),
      attempts: 0,
      ...given,
    };
    this.tasks.push(task);
    return task;
  }

  task(task_id: string): TaskJson {
    return this.tasks.find((one) => one.task_id === task_id)!;
  }

  start(task_id: string, worker_id: string): void {
    const task = this.task(task_id);
    Object.assign(task, { status: "running", attempts: task.attempts + 1, worker_id });
    task.started = localTime(this.now_ms());
  }

  complete(task_id: string): void {
    this.#end(task_id, "completed", { result: { model: "…", batch_sizes: {} } });
  }

  /** @param again it goes back to those that wait, with what it ended with left standing */
  fail(task_id: string, error: string, again = false): void {
    this.#end(task_id, "failed", { error });
    const task = this.task(task_id);
    task.failed_time = task.ended;
    if (again) task.status = "pending";
  }

  cancel(task_id: string): void {
    Object.assign(this.task(task_id), { status: "cancelled", cancelled: localTime(this.now_ms()) });
  }

  #end(task_id: string, status: string, more: Json): void {
    const task = this.task(task_id);
    Object.assign(task, { status, ended: localTime(this.now_ms()), execution_time: 1.5, ...more });
    const { worker_id, attempts: attempt, started: start_time, ended: end_time } = task;
    const execution = { worker_id, attempt, status, start_time, end_time, error_message: more.error ?? null };
    this.executions.set(task_id, [execution, ...(this.executions.get(task_id) ?? [])]);
  }

  #answer({ url = "/", headers }: IncomingMessage, response: ServerResponse): void {
    this.asked.push(url);
    if (this.instead(url, response)) return;
    const key = headers["x-api-key"];
    const [status, body] = url === "/status" || url === "/" ? [200, this.#status()] : this.#keyed(url, key);
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  }

  #status(): Json {
    return {
      status: "ok",
      workers: this.workers.length,
      tasks: this.tasks.length,
      redundancy_enabled: false,
      redundancy_role: "none",
      enhanced_error_handling_enabled: false,
    };
  }

  #keyed(url: string, key: string | string[] | undefined): [number, Json] {
    if (key !== ADMIN_KEY && key !== WORKER_KEY) return [401, { error: "Unauthorized" }];
    const { pathname, searchParams } = new URL(url, "http://coordinator");
    const [, list, id] = /^\/api\/(workers|tasks)(?:\/(.+))?$/.exec(pathname) ?? [];
    if (list === "workers" && id === undefined) return [200, this.#workers(searchParams, key)];
    if (list === "tasks" && id === undefined) return [200, this.#tasks(searchParams)];
    if (list === "tasks") return this.#task(decodeURIComponent(id!));
    return [404, { error: list === "workers" ? "Worker not found" : "Not found" }];
  }

  #workers(query: URLSearchParams, key: string): Json {
    const { records, ...page } = pageOf(this.workers, query);
    const seen = records.map((one) => (key === ADMIN_KEY ? one : named(one)));
    return { status: "success", ...page, workers: seen };
  }

  #tasks(query: URLSearchParams): Json {
    const { records, ...page } = pageOf(this.tasks, query);
    this.tasks_sent += records.length;
    return { status: "success", ...page, tasks: records };
  }

  #task(task_id: string): [number, Json] {
    const task = this.task(task_id);
    if (!task) return [404, { error: "Task not found" }];
    this.tasks_sent += 1;
    const health = { recovery_history: [], execution_history: this.executions.get(task_id) ?? [] };
    return [200, { status: "success", task: { ...task, health } }];
  }
}

function named({ worker_id, hostname, status, capabilities }: WorkerJson): Json {
  return { worker_id, hostname, status, hardware: (capabilities as Json).hardware };
}

function pageOf<Record extends { status: string }>(all: readonly Record[], query: URLSearchParams) {
  const status = query.get("status");
  const matching = status === null ? all : all.filter((one) => one.status === status);
  const offset = Number(query.get("offset") ?? 0);
  const limit = query.has("limit") ? Number(query.get("limit")) : null;
  const records = matching.slice(offset, limit === null ? undefined : offset + limit);
  return { total: matching.length, offset, limit, records };
}
