import type { Read } from "../metrics/read.ts";
import { shortLabels } from "./identity.ts";

/** Letters that a label has at most; a card or a cell of many has room for fewer. */
export const LABEL_LENGTH = 11;

const known = new WeakMap<Read, ReadonlyMap<string, string>>();

/**
 * What a worker is called where there is little room. All workers that are looked at are told apart at once, so
 * that each has the same label in every panel.
 */
export function workerLabel(read: Read, id: string): string {
  let labels = known.get(read);
  if (labels === undefined) {
    const ids = read.workers().map((worker) => worker.id);
    const short = shortLabels(ids, LABEL_LENGTH);
    labels = new Map(ids.map((one, index) => [one, short[index]!]));
    known.set(read, labels);
  }
  return labels.get(id) ?? shortLabels([id], LABEL_LENGTH)[0]!;
}
