import type { Child } from "hono/jsx";
import { type Segment, StackedBar } from "./components.tsx";
import { Part } from "./part.tsx";

export interface RankedRow {
  readonly name: Child;
  /** All of it in words. */
  readonly title: string;
  readonly segments: readonly Segment[];
  /** The figure that the bar shows, as wide as the others of its column. */
  readonly figure: Child;
  /** What makes it mean something. */
  readonly beside: string;
}

interface RankingProps {
  /** Begins the ids of the rows, which keep their places: what changes order changes two rows and moves nothing. */
  id: string;
  rows: readonly RankedRow[];
  /** The length of a whole bar. */
  full: number;
  /** What stands where there is no row. */
  empty: string;
}

/** Rows with a name, a bar and a figure, to be compared with each other. */
export function Ranking({ id, rows, full, empty }: RankingProps) {
  return (
    <ul class="cut-ranking">
      {rows.length === 0 ? <li class="quiet">{empty}</li> : null}
      {rows.map((row, slot) => (
        <Part as="li" id={`${id}-${slot}`} title={row.title}>
          <span class="name">{row.name}</span>
          <StackedBar segments={row.segments} full={full} />
          <span class="figure">{row.figure}</span>
          <small>{row.beside}</small>
        </Part>
      ))}
    </ul>
  );
}
