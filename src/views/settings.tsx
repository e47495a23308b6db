import { CUTS } from "../metrics/catalogue.ts";
import { clean, shorten } from "../metrics/format.ts";
import type { Read } from "../metrics/read.ts";
import { Name } from "./components.tsx";
import { FILTER_LABEL } from "./filters.ts";
import { Done } from "./form.tsx";
import type { Panel } from "./panel.ts";
import { chosenPanels, DENSITIES, type Preferences, RANGES, type SavedView, THEMES } from "./preferences.ts";
import { MAX_NAME } from "./viewer.tsx";

const NAME_LENGTH = 64;

export interface SettingsView {
  readonly read: Read;
  readonly preferences: Preferences;
  /** Of the main dashboard, in the page's own order. */
  readonly panels: readonly Panel[];
  /** What is saved for everybody. */
  readonly shared_views: readonly SavedView[];
  /** Whether who looks may forget what is saved for everybody. */
  readonly may_operate: boolean;
  /** What was just done, in words. */
  readonly done: string | null;
}

/** What a viewer can choose, as plain forms. */
export function Settings({ read, preferences, panels, shared_views, may_operate, done }: SettingsView) {
  return (
    <>
      <Done what={done} />
      <p class="hint">
        Kept on this server for this browser, found by a cookie. An address shows the same to everybody: what
        is chosen here only decides how pages look, and where <a href="./">the overview</a> and{" "}
        <a href="history">history</a> begin.
      </p>
      <Look read={read} preferences={preferences} />
      <PanelOrder preferences={preferences} panels={panels} />
      <Views preferences={preferences} />
      <SharedViews views={shared_views} may_operate={may_operate} />
      {/* The page's script shows it, and says what the button does. */}
      <section id="notify" class="panel" aria-labelledby="st-notify" hidden>
        <h2 id="st-notify">Notifications of this browser</h2>
        <div class="body">
          <p class="hint">
            Of critical alerts that begin to fire, while a page of Evenkeel is open, in the background too.
          </p>
          <button type="button" class="secondary"></button>
        </div>
      </section>
      <section class="panel" aria-labelledby="st-forget">
        <h2 id="st-forget">Forget all of this</h2>
        <form class="body" method="post" action="settings/forget">
          <button type="submit" class="secondary">
            Forget my choices and this browser
          </button>
        </form>
      </section>
    </>
  );
}

function Look({ read, preferences }: Pick<SettingsView, "read" | "preferences">) {
  const { theme, density, tz, range, filters, name } = preferences;
  return (
    <section class="panel" aria-labelledby="st-look">
      <h2 id="st-look">Look and defaults</h2>
      <form class="body fields" method="post" action="settings">
        <fieldset>
          <legend>Theme</legend>
          {THEMES.map((one) => (
            <label>
              <input type="radio" name="theme" value={one} checked={one === theme} /> {one}
            </label>
          ))}
        </fieldset>
        <fieldset>
          <legend>Density</legend>
          {DENSITIES.map((one) => (
            <label>
              <input type="radio" name="density" value={one} checked={one === density} /> {one}
            </label>
          ))}
        </fieldset>
        <label>
          Time zone
          <input type="text" name="tz" value={tz} placeholder="the browser's, or such as Europe/Berlin" />
        </label>
        <label>
          History begins with
          <select name="range">
            {RANGES.map(([value, words]) => (
              <option value={value} selected={value === range}>
                the last {words}
              </option>
            ))}
          </select>
        </label>
        {CUTS.map((cut) => (
          <label>
            {FILTER_LABEL[cut]} of the overview
            <input
              type="text"
              name={cut}
              value={clean(filters[cut] ?? "")}
              list={`st-${cut}`}
              placeholder="every"
            />
            <datalist id={`st-${cut}`}>
              {read.cutNames(cut).map((name) => (
                <option value={clean(name)} />
              ))}
            </datalist>
          </label>
        ))}
        <label>
          {FILTER_LABEL.q} of the overview
          <input type="text" name="q" value={clean(filters.q ?? "")} placeholder="any" />
        </label>
        <label>
          Your name, for alerts that you deal with
          <input type="text" name="name" value={clean(name)} maxlength={MAX_NAME} autocomplete="name" />
        </label>
        <button type="submit">Save</button>
      </form>
    </section>
  );
}

/** A row a panel: shown or not, and buttons that move it, so that a keyboard is enough. */
function PanelOrder({ preferences, panels }: Pick<SettingsView, "preferences" | "panels">) {
  const shown = chosenPanels(panels, preferences.panels);
  const rows = [...shown, ...panels.filter((panel) => !shown.includes(panel))];
  return (
    <section class="panel" aria-labelledby="st-panels">
      <h2 id="st-panels">
        Panels of the overview <small>in their order</small>
      </h2>
      <form class="body" method="post" action="settings/panels">
        <input type="hidden" name="order" value={rows.map((panel) => panel.id).join(",")} />
        <ol class="rows order">
          {rows.map((panel, place) => (
            <li>
              <label>
                <input type="checkbox" name="shown" value={panel.id} checked={shown.includes(panel)} />{" "}
                {panel.title}
              </label>
              <button
                type="submit"
                class="secondary"
                name="up"
                value={panel.id}
                disabled={place === 0}
                aria-label={`Move ${panel.title} up`}
              >
                ↑
              </button>
              <button
                type="submit"
                class="secondary"
                name="down"
                value={panel.id}
                disabled={place === rows.length - 1}
                aria-label={`Move ${panel.title} down`}
              >
                ↓
              </button>
            </li>
          ))}
        </ol>
        <button type="submit">Save</button>{" "}
        <button type="submit" class="secondary" name="reset" value="yes">
          All, in their own order
        </button>
      </form>
    </section>
  );
}

function Views({ preferences }: Pick<SettingsView, "preferences">) {
  return (
    <section class="panel" aria-labelledby="st-views">
      <h2 id="st-views">Saved views</h2>
      <div class="body">
        {preferences.views.length === 0 ? (
          <p class="hint">None yet. The menu View on every page saves what it shows under a name.</p>
        ) : (
          <ViewRows views={preferences.views} action="settings/views/forget" />
        )}
      </div>
    </section>
  );
}

function SharedViews({ views, may_operate }: { views: readonly SavedView[]; may_operate: boolean }) {
  if (views.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="st-shared">
      <h2 id="st-shared">Views for all</h2>
      <div class="body">
        <ViewRows views={views} action={may_operate ? "views/forget" : null} />
      </div>
    </section>
  );
}

/** @param action of the form that forgets one; null where who looks may not */
function ViewRows({ views, action }: { views: readonly SavedView[]; action: string | null }) {
  return (
    <ul class="rows order">
      {views.map(({ name, url }) => (
        <li>
          <a href={url === "" ? "./" : url}>
            <Name>{shorten(name, NAME_LENGTH)}</Name>
          </a>
          <code>{clean(shorten(url === "" ? "./" : url, NAME_LENGTH))}</code>
          {action === null ? null : (
            <form method="post" action={action}>
              <input type="hidden" name="name" value={name} />
              <button type="submit" class="secondary" aria-label={`Forget the view ${clean(name)}`}>
                Forget
              </button>
            </form>
          )}
        </li>
      ))}
    </ul>
  );
}
