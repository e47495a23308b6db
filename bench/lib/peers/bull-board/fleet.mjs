// Workers that are busy with jobs, and as many new jobs as end. Copied beside its packages before it runs.
import { Queue, Worker } from "bullmq";
import IORedis from "ioredis";

/** As long as a task of the fleet runs, mean. */
const JOB_MS = 11_000;
/** A worker's slots: three of four tasks of the fleet run. */
const SLOTS = 8;
const KEPT = 1000;

const [redis_port, workers, jobs, ...names] = process.argv.slice(2);
const connection = new IORedis(Number(redis_port), "127.0.0.1", { maxRetriesPerRequest: null });
const queues = names.map((name) => new Queue(name, { connection }));

function add(queue) {
  const data = { model_family: "vit", model_id: "vit-large", priority: 3 };
  return queue.add(`${queue.name}-task`, data, { removeOnComplete: KEPT, removeOnFail: KEPT });
}

async function work() {
  await new Promise((resolve) => setTimeout(resolve, JOB_MS * (0.5 + Math.random())));
}

for (let index = 0; index < Number(workers); index++) {
  const queue = queues[index % queues.length];
  const worker = new Worker(queue.name, work, { connection, concurrency: SLOTS, name: `worker-${index}` });
  worker.on("completed", () => add(queue));
}
await Promise.all(Array.from({ length: Number(jobs) }, (_, index) => add(queues[index % queues.length])));
