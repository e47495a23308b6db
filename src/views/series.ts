import { MODALITIES } from "../metrics/model.ts";
import { byNaturalOrder } from "./identity.ts";

/** Number of a series colour: 1 to 4 are the palette, 5 is everything else together. */
export type SeriesNumber = 1 | 2 | 3 | 4 | 5;

const OTHER: SeriesNumber = 5;
/** What stands for a task without a type, and for the types that share the last colour. */
export const NO_TYPE = "no type";

/**
 * The colour of each task type, the same in every panel: a modality keeps its place in the order of
 * modalities; other types, in natural order, take the places that no modality of this fleet uses.
 */
export function seriesByType(types: Iterable<string>): ReadonlyMap<string, SeriesNumber> {
  const present = new Set(types);
  const places = new Map<string, SeriesNumber>();
  const free: SeriesNumber[] = [];
  MODALITIES.forEach((modality, index) => {
    const place = (index + 1) as SeriesNumber;
    if (present.delete(modality)) places.set(modality, place);
    else free.push(place);
  });
  for (const type of [...present].sort(byNaturalOrder)) places.set(type, free.shift() ?? OTHER);
  return places;
}
