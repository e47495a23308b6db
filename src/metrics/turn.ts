/** So long one may hold the event loop before others have their turn, milliseconds. */
export const TURN_MS = 10;

const waiting: (() => void)[] = [];
/** When the newest turn began. */
let began_ms = Number.NEGATIVE_INFINITY;

/**
 * Resolves in a later turn of the event loop, one caller a turn and in their order: long work that several do in
 * pieces at the same time never holds the loop with more than one of its pieces.
 */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) setImmediate(next);
  });
}

/** Whether others are to have their turn: whoever works in small pieces asks after each. */
export function isTurnOver(): boolean {
  return performance.now() - began_ms > TURN_MS;
}

function next(): void {
  const resolve = waiting.shift()!;
  if (waiting.length > 0) setImmediate(next);
  began_ms = performance.now();
  resolve();
}
