import { spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram } from "../../../e2e/programs.ts";
import { SEED_FLEET } from "../feed.ts";
import { freePort } from "../http.ts";
import { Daemon, missingProgram, type Peer, temporaryFolder } from "./peer.ts";

const VERSION = "9.10.1";
/** Installed for the run: nothing of the product needs them. */
const PACKAGES = [
  `@bull-board/api@${VERSION}`,
  `@bull-board/express@${VERSION}`,
  "bullmq@6.7.0",
  "express@5.3.0",
  "ioredis@6.0.0",
];
const INSTALL_MS = 120_000;
const QUEUES = ["vision", "text", "audio", "multimodal"];

/** Tasks are jobs of a queue for each type of task. */
export const bullBoard: Peer = {
  name: "bull-board",
  missing: () => missingProgram("redis-server", "redis-server"),
  async start(atEnd) {
    const folder = temporaryFolder("bull-board");
    installPackages(folder);
    const [redis_port, port] = [String(await freePort()), String(await freePort())];
    const startDaemon = (program: string, args: readonly string[]) => {
      const daemon = new Daemon(program, args, folder);
      atEnd(() => daemon.stop());
      return daemon;
    };
    const run = (script: string, ...args: string[]) => {
      copyFileSync(fileURLToPath(new URL(`./bull-board/${script}`, import.meta.url)), join(folder, script));
      return startDaemon(process.execPath, [join(folder, script), redis_port, ...args, ...QUEUES]);
    };
    const redis = startDaemon(findProgram("redis-server")!, redisArgs(redis_port, folder));
    const board = run("board.mjs", port);
    run("fleet.mjs", String(SEED_FLEET.workers), String(SEED_FLEET.tasks));
    const url = `http://127.0.0.1:${port}/`;
    await board.answersAt(url);
    return {
      title: `bull-board ${VERSION}`,
      url: `${url}queue/${QUEUES[0]}?status=active`,
      data: "li time",
      shows: `how many of ${SEED_FLEET.tasks} jobs each of ${QUEUES.length} queues has, and 10 running jobs with their workers; asks each second`,
      pids: [board.pid, redis.pid],
    };
  },
};

/** @throws where npm can't install them */
function installPackages(folder: string): void {
  const { status, error, stderr } = spawnSync(
    "npm",
    ["install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", ...PACKAGES],
    { encoding: "utf8", timeout: INSTALL_MS, cwd: folder },
  );
  if (status !== 0)
    throw new Error(`npm could not install it: ${error?.message ?? stderr.split("\n", 1)[0]}`);
}

/** Nothing is written to disk: what is kept is not compared. */
function redisArgs(port: string, folder: string): string[] {
  return ["--bind", "127.0.0.1", "--port", port, "--dir", folder, "--save", "", "--appendonly", "no"];
}
