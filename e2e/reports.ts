/** A report of the ingest protocol, as far as the tests write it. */
export interface Report {
  at?: number;
  source?: string;
  interval_s?: number;
  workers?: readonly WorkerReport[];
  tasks?: readonly TaskReport[];
}

export interface WorkerReport {
  id: string;
  type?: string;
  hostname?: string;
  status?: "active" | "draining" | "offline";
  tags?: string[];
  interval_s?: number;
  metrics?: Record<string, number>;
}

export interface TaskReport {
  id: string;
  type?: string;
  model_family?: string;
  model_id?: string;
  priority?: number;
  status?: "queued" | "assigned" | "running" | "completed" | "failed" | "cancelled";
  worker_id?: string;
  queued_at?: number;
  assigned_at?: number;
  started_at?: number;
  ended_at?: number;
  error?: string;
  requirements?: { tags?: string[] };
}

/** Who says so is not missed for this long: a fleet that is reported once stays fresh for a whole test. */
export const QUIET_S = 120;

/** Sends reports in one body; rejects unless the server takes them all. */
export async function report(url: string, ...reports: Report[]): Promise<void> {
  const answer = await fetch(new URL("api/ingest", url), {
    method: "POST",
    headers: { "Content-Type": "application/x-ndjson" },
    body: reports.map((one) => JSON.stringify(one)).join("\n"),
  });
  const text = await answer.text();
  if (answer.status !== 202 || JSON.parse(text).accepted !== reports.length)
    throw new Error(`the report was not taken: ${answer.status} ${text}`);
}

/** A fleet that reports once and stays quiet, its values spread over the whole range. */
export function quietFleet(size: number, prefix = "worker-"): Report {
  return {
    interval_s: QUIET_S,
    workers: Array.from({ length: size }, (_, index) => ({
      interval_s: QUIET_S,
      id: `${prefix}${String(index + 1).padStart(3, "0")}`,
      type: ["gpu", "cpu", "edge"][index % 3]!,
      metrics: {
        cpu_utilization: (index * 37) % 90,
        gpu_utilization: (index * 53) % 90,
        memory_utilization: (index * 17) % 85,
        network_utilization: (index * 11) % 60,
      },
    })),
  };
}

/** Reports `next(0)`, `next(1)` … twice a second, until the returned function is called. */
export function keepReporting(url: string, next: (turn: number) => Report): () => Promise<void> {
  let stopped = false;
  let wake = () => {};
  const running = (async () => {
    for (let turn = 0; !stopped; turn++) {
      // The server may be down on purpose.
      await report(url, next(turn)).catch(() => {});
      if (stopped) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 500);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  })();
  return () => {
    stopped = true;
    wake();
    return running;
  };
}
