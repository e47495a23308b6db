import { isMap, isNode, LineCounter, type Node, parseDocument } from "yaml";
import type { z } from "zod";

/** More aliases than this are an attack rather than a file. */
const MAX_ALIASES = 100;
/** Problems that are told of one file at most. */
const MAX_PROBLEMS = 50;

type Path = readonly PropertyKey[];

export type YamlRead<T> =
  | {
      value: T;
      /** The line on which what a path leads to begins, from 1. */
      lineOf(path: Path): number;
    }
  | { problems: string[] };

/**
 * A YAML text by a schema.
 *
 * @param file its name, with which each problem begins
 * @returns what it says, or all that is wrong with it: "rules.yaml: rules[2].for must be …; got "x", line 14"
 */
export function readYaml<S extends z.ZodType>(text: string, schema: S, file: string): YamlRead<z.output<S>> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const { contents, errors } = document;
  if (errors.length > 0)
    return problems(
      errors.map(({ message, pos }) => `${file}: ${message}, line ${lines.linePos(pos[0]).line}`),
    );
  const lineOf = (path: Path) => lines.linePos(nodeAt(contents, path)?.range?.[0] ?? 0).line;
  let raw: unknown;
  try {
    raw = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    return problems([`${file}: ${(error as Error).message}`]);
  }
  const result = schema.safeParse(raw ?? {}, { reportInput: true });
  if (result.success) return { value: result.data, lineOf };
  return problems(
    result.error.issues.flatMap((issue) => {
      const { path, message } = issue;
      const named = `${file}: ${path.length > 0 ? `${fieldOf(path)} ` : ""}`;
      if (issue.code !== "unrecognized_keys") return `${named}${message}, line ${lineOf(path)}`;
      return message
        .split("\n")
        .map((line, index) => `${named}${line}, line ${lineOf([...path, issue.keys[index] ?? ""])}`);
    }),
  );
}

function problems(all: string[]): { problems: string[] } {
  const more = all.length - MAX_PROBLEMS;
  return { problems: more > 0 ? [...all.slice(0, MAX_PROBLEMS), `and ${more} more`] : all };
}

/** The node at the end of the path, or the nearest that there is on the way to it. */
function nodeAt(contents: Node | null, path: Path): Node | null {
  let node: Node | null = contents;
  for (const step of path) {
    // A key has a line of its own where its value begins on the next.
    const inner: unknown = isMap(node)
      ? node.items.find(({ key }) => String(key) === String(step))?.key
      : undefined;
    const next: unknown = (node as { get?(step: unknown, keep: true): unknown })?.get?.(step, true);
    if (step === path.at(-1) && isNode(inner)) return inner;
    if (!isNode(next)) return node;
    node = next;
  }
  return node;
}

/** `rules[2].for`. */
export function fieldOf(path: Path): string {
  return path
    .map((step, index) =>
      typeof step === "number" ? `[${step}]` : `${index === 0 ? "" : "."}${String(step)}`,
    )
    .join("");
}
