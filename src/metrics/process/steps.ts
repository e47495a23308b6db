/** Work that others may come between: each step takes some milliseconds at most. */
export type Steps = Generator<undefined, void, undefined>;

/** Works all steps off in one go. */
export function finish(steps: Steps): void {
  while (!steps.next().done);
}
