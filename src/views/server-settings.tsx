import type { SettingInForce } from "../kinds.ts";
import { visible } from "../metrics/format.ts";
import type { Around } from "./around.ts";
import { Name } from "./components.tsx";
import { renderPlain } from "./layout.tsx";
import type { Markup } from "./panel.ts";

/** What the server was started with, and how that is changed. */
export function renderServerSettings(settings: readonly SettingInForce[], around: Around): string {
  const set = settings.filter(({ from }) => from !== "default").length;
  return renderPlain(
    "Settings of this server",
    around,
    <>
      <p class="hint">
        Read once, when the server starts: change them in the config file (<code>tick_ms: 1000</code>, named
        by <code>--config</code>), in the environment (<code>EVENKEEL_TICK_MS=1000</code>) or on the command
        line (<code>--tick-ms 1000</code>), and start it again. <code>evenkeel check-config</code> tries them
        first. Users and tokens are on <a href="admin">Administration</a>, connectors on{" "}
        <a href="status">Status</a>, and one's own choices on <a href="settings">Settings</a>.
      </p>
      <section class="panel" aria-labelledby="se-all">
        <h2 id="se-all">
          In force{" "}
          <small class="note">
            {set} of {settings.length} are set, the others are as they come
          </small>
        </h2>
        <table class="sources wrapped">
          <thead>
            <tr>
              <th scope="col">Setting</th>
              <th scope="col">In force</th>
              <th scope="col">Set by</th>
              <th scope="col">Default</th>
              <th scope="col">What it means</th>
            </tr>
          </thead>
          <tbody>
            {settings.map((setting) => (
              <Row setting={setting} />
            ))}
          </tbody>
        </table>
        <p class="more">
          <a href="api/settings">As JSON</a>
        </p>
      </section>
    </>,
  );
}

function Row({ setting }: { setting: SettingInForce }) {
  const { name, value, from, default: standard, help, rule } = setting;
  const own = from !== "default";
  return (
    <tr>
      <th scope="row">
        <code>{name}</code>
      </th>
      <td data-label="In force">{value === null ? "set, not shown" : <Value text={value} strong={own} />}</td>
      <td data-label="Set by">{own ? <Name>{visible(from)}</Name> : <small>default</small>}</td>
      <td data-label="Default">
        <Value text={standard} />
      </td>
      <td data-label="What it means">
        <span>
          {withCode(help)}. <small>Must be {withCode(rule)}</small>
        </span>
      </td>
    </tr>
  );
}

function Value({ text, strong = false }: { text: string; strong?: boolean }) {
  if (text === "") return <small>empty</small>;
  return strong ? <b>{visible(text)}</b> : <>{visible(text)}</>;
}

/** What stands between backticks is code. */
function withCode(text: string): Markup[] {
  return text.split("`").map((part, place) => (place % 2 === 1 ? <code>{part}</code> : <>{part}</>));
}
