import {
  constants,
  type NodeGCPerformanceDetail,
  type PerformanceEntry,
  PerformanceObserver,
} from "node:perf_hooks";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * By so many percent a heap may outgrow what lives in it before it is collected: V8 itself lets a small one double,
 * and a large one grow to four times as much.
 */
const SMALL_GROWS_PERCENT = 20;
const GROWS_PERCENT = 100;
/** Beyond them, collecting so often would cost more than the memory is worth. */
const SMALL_BYTES = 60 * 2 ** 20;
const FEW_STREAMS = 8;

/** How many times as large its young generation becomes when much of it survives; 1 keeps it as `bin/load.js` left it. */
const SMALL_YOUNG_FACTOR = 1;
const YOUNG_FACTOR = 2;

/** How much lives in the heap: its size after the last whole collection. What came since may be garbage. */
export class LiveHeap {
  #bytes: number | null = null;
  readonly #observer = new PerformanceObserver((list) => {
    if (list.getEntries().some(isWhole)) this.#bytes = getHeapStatistics().used_heap_size;
  });

  constructor() {
    this.#observer.observe({ entryTypes: ["gc"] });
  }

  /** Null before the first such collection. */
  get bytes(): number | null {
    return this.#bytes;
  }

  get isSmall(): boolean {
    return (this.#bytes ?? getHeapStatistics().used_heap_size) < SMALL_BYTES;
  }

  close(): void {
    this.#observer.disconnect();
  }
}

function isWhole(entry: PerformanceEntry & { detail?: NodeGCPerformanceDetail }): boolean {
  return entry.detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
}

/**
 * Keeps the heap of a small fleet small: some 60 MiB less for a hundredth of a core. Of a large one that would cost
 * a quarter of a core, and of one that is watched through fifty filters a tenth: each tick makes megabytes anew.
 * Garbage does not make a heap large: once it was let double for that, it would stay so.
 *
 * @param streams distinct ones that are watched
 */
export function keepHeapSmall(heap: LiveHeap, streams: number): void {
  const is_small = heap.isSmall && streams <= FEW_STREAMS;
  // V8 looks at both at the end of each collection.
  setFlagsFromString(`--heap-growing-percent=${is_small ? SMALL_GROWS_PERCENT : GROWS_PERCENT}`);
  setFlagsFromString(`--semi-space-growth-factor=${is_small ? SMALL_YOUNG_FACTOR : YOUNG_FACTOR}`);
}

/**
 * Collects a small heap now, which takes some 30 ms: V8 lets a new one grow to 80 MiB before it does, and only then
 * holds itself to what lives in it. A large one would hold everybody up.
 */
export function collectSmallHeap(heap: LiveHeap): void {
  if (!heap.isSmall) return;
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  setFlagsFromString("--no-expose-gc");
  collect();
}
