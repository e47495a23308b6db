import type { z } from "zod";
import { clean } from "../metrics/format.ts";
import { relative } from "./address.ts";
import type { Around } from "./around.ts";
import { renderPlain } from "./layout.tsx";
import type { Panel } from "./panel.ts";
import { DENSITIES, THEMES } from "./preferences.ts";

/** Parameters of a panel that nobody sets for a frame. */
const ASIDE = new Set(["as_of", "page", "panels", "theme", "density", "tz", "kiosk", "refresh"]);

export interface EmbedBuilderView {
  readonly panels: readonly Panel[];
  readonly panel: Panel;
  /** What was filled in, by name. */
  readonly given: Readonly<Record<string, string>>;
  /** The panel's address, below the base; null while a parameter that it needs is missing. */
  readonly address: string | null;
  /** Where the server is reached; ends with a slash. */
  readonly url: string;
  /** Why another site can't show it, in words; empty where it can. */
  readonly blocked: readonly string[];
  /** Whether only those who log in, or have a link, see it; and whether who asks may make one. */
  readonly links: "not needed" | "may make" | "ask an operator";
  /** The link that was just made: the panel's address with it. */
  readonly made: string | null;
}

/** Builds the address of an embedded panel and the markup around it, with a preview. */
export function renderEmbedBuilder(view: EmbedBuilderView, around: Around): string {
  const { panel, address, url, blocked, made } = view;
  return renderPlain(
    "Embed a panel",
    around,
    <>
      <section class="panel" aria-labelledby="em-what">
        <h2 id="em-what">What to show</h2>
        <Choose {...view} />
      </section>
      {address === null ? null : (
        <>
          <section class="panel" aria-labelledby="em-code">
            <h2 id="em-code">{made === null ? "For your page" : "For your page, with its link"}</h2>
            <div class="body">
              {blocked.map((why) => (
                <p class="hint">{why}</p>
              ))}
              <pre tabindex={0}>
                <code>{clean(snippet(url + (made ?? address), panel))}</code>
              </pre>
              <p class="hint">
                <a href={relative(made ?? address)}>Open it alone</a>. It takes <code>theme</code>,{" "}
                <code>density</code>, <code>tz</code> and, where it shows a stretch of time,{" "}
                <code>duration</code> beside what is chosen here.
              </p>
              <MakeLink {...view} />
            </div>
          </section>
          <section class="panel" aria-labelledby="em-preview">
            <h2 id="em-preview">How it looks</h2>
            <iframe src={relative(made ?? address)} title={panel.title} width="100%" height="420"></iframe>
          </section>
        </>
      )}
    </>,
  );
}

function Choose({ panels, panel, given }: EmbedBuilderView) {
  return (
    <>
      <form class="body fields" method="get" action="embeds/new">
        <label>
          Panel
          <select name="panel">
            {panels.map(({ id, title }) => (
              <option value={id} selected={id === panel.id}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="secondary">
          Choose
        </button>
      </form>
      <form class="body fields" method="get" action="embeds/new">
        <input type="hidden" name="panel" value={panel.id} />
        {Object.entries(panel.params.shape)
          .filter(([name]) => !ASIDE.has(name))
          .map(([name, field]) => (
            <label>
              {name}
              <input
                name={name}
                value={clean(given[name] ?? "")}
                required={!(field as z.ZodType).safeParse(undefined).success}
                title={(field as z.ZodType).description}
              />
            </label>
          ))}
        <Select name="theme" values={THEMES} given={given} />
        <Select name="density" values={DENSITIES} given={given} />
        <label>
          tz
          <input name="tz" value={clean(given["tz"] ?? "")} placeholder="the browser's" />
        </label>
        <button type="submit">Show</button>
      </form>
    </>
  );
}

function Select({
  name,
  values,
  given,
}: {
  name: string;
  values: readonly string[];
  given: EmbedBuilderView["given"];
}) {
  return (
    <label>
      {name}
      <select name={name}>
        {values.map((value) => (
          <option value={value} selected={value === given[name]}>
            {value}
          </option>
        ))}
      </select>
    </label>
  );
}

function MakeLink({ panel, given, links, made }: EmbedBuilderView) {
  if (links === "not needed" || made !== null) return null;
  if (links === "ask an operator") {
    return (
      <p class="hint">Only those who log in see it. An operator can make a link that needs no log-in.</p>
    );
  }
  return (
    <form class="fields" method="post" action="embeds">
      <input type="hidden" name="panel" value={panel.id} />
      {Object.entries(given).map(([name, value]) => (
        <input type="hidden" name={name} value={value} />
      ))}
      <label>
        Days that it opens the panel without a log-in
        <input type="number" name="days" value="30" min="1" max="366" required />
      </label>
      <button type="submit">Make a link</button>
    </form>
  );
}

function snippet(address: string, { title }: Panel): string {
  const escaped = address.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  return `<iframe src="${escaped}" title="${title}" width="640" height="420" loading="lazy"></iframe>`;
}
