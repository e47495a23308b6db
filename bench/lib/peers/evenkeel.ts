import { Feed, SEED_FLEET } from "../feed.ts";
import { Server } from "../server.ts";
import type { Peer } from "./peer.ts";

export function evenkeel(build: string): Peer {
  return {
    name: "Evenkeel",
    missing: () => null,
    async start(atEnd) {
      const server = await Server.start({ build });
      atEnd(() => server.stop());
      const feed = await Feed.start({ url: server.url, ...SEED_FLEET });
      atEnd(() => feed.stop());
      return {
        title: "Evenkeel",
        url: server.url,
        data: "#p-worker-grid [title^=worker-]",
        shows: `all ${SEED_FLEET.workers} workers and ${SEED_FLEET.tasks} tasks; a stream each second`,
        pids: [server.pid],
      };
    },
  };
}
