/** As the work; or the signal's reason, in the moment in which it aborts: nobody has to wait for what can't be broken off. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** The work took too long. */
export class TimedOut extends Error {
  override readonly name = "TimedOut";
}

/**
 * Does the work under a signal of its own that aborts with the given one, or after so long; rejects in that moment,
 * whether the work ends or not.
 */
export async function within<T>(
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  // Not AbortSignal.any: what it makes is kept for as long as the given signal lives.
  const abort = new AbortController();
  const stop = () => abort.abort(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  const timer = setTimeout(() => abort.abort(new TimedOut(`it did not answer within ${ms / 1000} s`)), ms);
  try {
    return await unlessAborted(work(abort.signal), abort.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}
