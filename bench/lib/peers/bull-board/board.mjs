// bull-board as its README sets it up, for the queues that are named. Copied beside its packages before it runs.
import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { ExpressAdapter } from "@bull-board/express";
import { Queue } from "bullmq";
import express from "express";
import IORedis from "ioredis";

const [redis_port, port, ...queues] = process.argv.slice(2);
const connection = new IORedis(Number(redis_port), "127.0.0.1", { maxRetriesPerRequest: null });
const serverAdapter = new ExpressAdapter();
createBullBoard({
  queues: queues.map((name) => new BullMQAdapter(new Queue(name, { connection }))),
  serverAdapter,
  options: { uiConfig: { pollingInterval: { forceInterval: 1 } } },
});
express().use("/", serverAdapter.getRouter()).listen(Number(port), "127.0.0.1");
