/** Below zero where `a` comes first; never zero for two different items. */
type Compare<T> = (a: T, b: T) => number;

/**
 * The items from rank `from` to before rank `to`, in order; `items` itself is left in disorder. Only these are
 * sorted: the first fifty of a hundred thousand take one look at each, and the last fifty hardly more.
 */
export function inOrder<T>(items: T[], from: number, to: number, compare: Compare<T>): T[] {
  const last = Math.min(to, items.length) - 1;
  if (from > last) return [];
  if (from > 0) partition(items, from, 0, items.length - 1, compare);
  if (last < items.length - 1) partition(items, last, from, items.length - 1, compare);
  return items.slice(from, last + 1).sort(compare);
}

/** Fewer are partitioned without a sample. */
const SAMPLED_FROM = 600;

/**
 * Puts the item of rank `rank` in its place, the ones before it before. Floyd and Rivest, "Algorithm 489:
 * SELECT", Communications of the ACM 18 (1975): the pivot is of a sample that most likely encloses the rank.
 */
function partition<T>(items: T[], rank: number, first: number, last: number, compare: Compare<T>): void {
  let [left, right] = [first, last];
  while (right > left) {
    if (right - left > SAMPLED_FROM) {
      const size = right - left + 1;
      const place = rank - left + 1;
      const log = Math.log(size);
      const sample = 0.5 * Math.exp((2 * log) / 3);
      const spread =
        0.5 * Math.sqrt((log * sample * (size - sample)) / size) * Math.sign(place - size / 2 || 1);
      const low = Math.max(left, Math.floor(rank - (place * sample) / size + spread));
      const high = Math.min(right, Math.floor(rank + ((size - place) * sample) / size + spread));
      partition(items, rank, low, high, compare);
    }
    const pivot = items[rank]!;
    let [i, j] = [left, right];
    swap(items, left, rank);
    if (compare(items[right]!, pivot) > 0) swap(items, left, right);
    while (i < j) {
      swap(items, i, j);
      i += 1;
      j -= 1;
      while (compare(items[i]!, pivot) < 0) i += 1;
      while (compare(items[j]!, pivot) > 0) j -= 1;
    }
    if (compare(items[left]!, pivot) === 0) swap(items, left, j);
    else {
      j += 1;
      swap(items, j, right);
    }
    if (j <= rank) left = j + 1;
    if (rank <= j) right = j - 1;
  }
}

function swap<T>(items: T[], a: number, b: number): void {
  const held = items[a]!;
  items[a] = items[b]!;
  items[b] = held;
}

/** Items sorted in one go. */
const RUN_LENGTH = 2048;

/**
 * All items in order, and in between nothing now and then: nobody waits long for the next step. Runs are sorted
 * one at a time, then merged.
 */
export function* sortedInSteps<T>(items: readonly T[], compare: Compare<T>): Generator<T | undefined> {
  let runs: T[][] = [];
  for (let start = 0; start < items.length; start += RUN_LENGTH) {
    runs.push(
      items
        .slice(start, start + RUN_LENGTH)
        .sort(compare)
        .reverse(),
    );
    yield undefined;
  }
  // A heap of the runs by their next items, which stand last in them.
  const before = (a: T[], b: T[]) => compare(a.at(-1)!, b.at(-1)!) < 0;
  runs = runs.sort((a, b) => compare(a.at(-1)!, b.at(-1)!));
  while (runs.length > 0) {
    yield runs[0]!.pop()!;
    if (runs[0]!.length === 0) {
      const end = runs.pop()!;
      if (runs.length > 0) runs[0] = end;
    }
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < runs.length && before(runs[child]!, runs[least]!)) least = child;
      if (least === at) break;
      [runs[at], runs[least]] = [runs[least]!, runs[at]!];
      at = least;
    }
  }
}
