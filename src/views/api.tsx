import { count, counted } from "../metrics/format.ts";
import type { Field } from "../metrics/json-schema.ts";
import { LOOK } from "./address.ts";
import { EmptyState } from "./components.tsx";

/** One request that can be made, as the page tells of it. */
export interface ApiOperation {
  /** Of its element, and in OpenAPI. */
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly needs: string;
  readonly parameters: readonly (Field & { readonly example: string | null })[];
  /** What is sent. */
  readonly takes: readonly string[];
  readonly body: readonly Field[];
  readonly status: number;
  /** What comes back. */
  readonly description: string;
  readonly types: readonly string[];
  readonly answer: readonly Field[];
  /** A line for a shell, and, where it can be opened, the same as a link relative to the base. */
  readonly line: string | null;
  readonly href: string | null;
  /** Other forms of the same, relative to the base. */
  readonly others: readonly { readonly name: string; readonly href: string }[];
}

export interface ApiSection {
  readonly name: string;
  readonly about: string;
  readonly operations: readonly ApiOperation[];
}

export interface ApiView {
  readonly sections: readonly ApiSection[];
  /** What was looked for; empty for all of it. */
  readonly q: string;
  /** Parameters of the look that the address has. */
  readonly look: Readonly<Record<string, string>>;
}

/** What a caller must be allowed to do, in words. */
const NEEDS: Readonly<Record<string, string>> = {
  nothing: "nothing: anybody may ask",
  read: "to read",
  ingest: "the ingest token, where the settings name one",
  operate: "to operate",
  administer: "to administer",
};

/** The readable API: the same registry that answers it. */
export function Api({ sections, q, look }: ApiView) {
  const shown = sections.filter(({ operations }) => operations.length > 0);
  const query = new URLSearchParams(look).toString();
  // The base of the page is not its address, so that a link to a part of it names both.
  const here = `api${query === "" ? "" : `?${query}`}`;
  return (
    <>
      <section class="panel panel-search" aria-labelledby="api-about">
        <h2 id="api-about">
          What can be asked <small>{counted(operationsOf(sections), "request")}</small>
        </h2>
        <div class="body">
          <form class="controls" method="get" action="api">
            <label>
              Look for{" "}
              <input type="search" name="q" value={q} size={36} placeholder="path, parameter, word" />
            </label>
            {LOOK.map((name) =>
              look[name] === undefined ? null : <input type="hidden" name={name} value={look[name]} />,
            )}
            <button type="submit">Search</button>
          </form>
          <p>
            <a href="openapi.json">openapi.json</a> says the same to programs (OpenAPI 3.1). Answers have a
            weak ETag: <code>If-None-Match</code> gives 304 while nothing has changed. The form of an answer
            follows from <code>Accept</code> or <code>format</code>; any GET may be a HEAD.
          </p>
          <p>
            Whatever is wrong is answered as <code>application/problem+json</code> (RFC 9457), or as a page
            where a browser asks:{" "}
            <code>
              {`{"type":"about:blank","title":"Bad Request","status":400,"detail":"Parameter limit: …; got \\"0\\"","parameter":"limit"}`}
            </code>
          </p>
          {q === "" ? (
            <ul class="hits">
              {shown.map(({ name, about }) => (
                <li>
                  <a href={`${here}#${idOf(name)}`}>{name}</a> <small>{about}</small>
                </li>
              ))}
            </ul>
          ) : (
            <p>
              <a href={here}>All of it</a>
            </p>
          )}
          {shown.length > 0 ? null : (
            <EmptyState title="Nothing matches">
              <p>Paths, parameters and what they are about are looked through.</p>
            </EmptyState>
          )}
        </div>
      </section>
      {shown.map((section) => (
        <Section section={section} open={q !== "" && operationsOf(shown) <= OPEN_LIMIT} here={here} />
      ))}
    </>
  );
}

/** What a search leaves is shown in full up to so many. */
const OPEN_LIMIT = 5;

function operationsOf(sections: readonly ApiSection[]): number {
  return sections.reduce((sum, { operations }) => sum + operations.length, 0);
}

function idOf(name: string): string {
  return `api-${name.toLowerCase().replaceAll(" ", "-")}`;
}

function Section({ section, open, here }: { section: ApiSection; open: boolean; here: string }) {
  const { name, about, operations } = section;
  return (
    <section id={idOf(name)} class="panel" aria-labelledby={`${idOf(name)}-h`}>
      <h2 id={`${idOf(name)}-h`}>
        {name} <small>{count(operations.length)}</small>
      </h2>
      <div class="body">
        <p class="quiet">{about}</p>
        {operations.map((operation) => (
          <Operation it={operation} open={open} here={here} />
        ))}
      </div>
    </section>
  );
}

function Operation({ it, open, here }: { it: ApiOperation; open: boolean; here: string }) {
  return (
    <details id={it.id} class="data" open={open}>
      <summary>
        <b>{it.method}</b> <code>{it.path}</code> <small>{it.summary}</small>
      </summary>
      <p>
        Needs {NEEDS[it.needs] ?? it.needs}. {it.takes.length === 0 ? "" : `Takes ${it.takes.join(" or ")}. `}
        Answers {it.status} {it.types.join(", ")}: {it.description}.{" "}
        <a href={`${here}#${it.id}`}>Link to this</a>
      </p>
      {it.line === null ? null : (
        <pre class="message" tabindex={0}>
          {it.line}
        </pre>
      )}
      {it.href === null && it.others.length === 0 ? null : (
        <p>
          {it.href === null ? null : <a href={it.href}>Open it</a>}
          {it.others.map(({ name, href }) => (
            <>
              {" · "}
              <a href={href}>{name}</a>
            </>
          ))}
        </p>
      )}
      <Fields title="Parameters" of={it.parameters} />
      <Fields title="Body" of={it.body} />
      <Fields title="Answer" of={it.answer} />
    </details>
  );
}

function Fields({ title, of }: { title: string; of: readonly (Field & { example?: string | null })[] }) {
  if (of.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <dl class="task-pairs">
        {of.map(({ path, type, required, description, example }) => (
          <div>
            <dt>
              <code>{path}</code> {type}
              {required && example !== undefined ? ", must be given" : ""}
            </dt>
            <dd>
              {description}
              {example ? (
                <>
                  ; such as <code>{example}</code>
                </>
              ) : null}
            </dd>
          </div>
        ))}
      </dl>
    </>
  );
}
