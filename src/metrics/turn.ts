const waiting: (() => void)[] = [];

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

function next(): void {
  const resolve = waiting.shift()!;
  if (waiting.length > 0) setImmediate(next);
  resolve();
}
