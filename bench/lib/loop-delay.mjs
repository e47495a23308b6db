// Loaded into a measured process by `node --import`: answers over IPC how long its event loop was held up.
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { isMainThread } from "node:worker_threads";

// A thread of the server inherits `--import`; only the loop that serves is measured.
if (isMainThread && process.send) {
  const RESOLUTION_MS = 1;
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  // The histogram holds times between two wake-ups, which includes the wait that was asked for.
  let before = performance.eventLoopUtilization();
  const ms = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  process.on("message", (message) => {
    // A wake-up each millisecond costs about a percent of a core: only who asks for it pays.
    if (message === "loop-delay reset") {
      histogram.enable();
      histogram.reset();
      before = performance.eventLoopUtilization();
    }
    if (message !== "loop-delay read") return;
    const [p50_ms, p99_ms] = [50, 99].map((q) => ms(histogram.percentile(q)));
    const { active: active_ms } = performance.eventLoopUtilization(before);
    process.send({ p50_ms, p99_ms, max_ms: ms(histogram.max), active_ms });
  });
  // Being measured is no reason to stay.
  process.channel?.unref();
}
