import { z } from "zod";
import { definePanel, type Page, type Panel } from "../panel.ts";
import { at_ms, noParams } from "../schema.ts";

const data = z.object({
  at_ms,
  keys: z
    .array(
      z.object({
        keys: z.array(z.string()).describe("To be pressed one after the other"),
        does: z.string().describe("What they do"),
      }),
    )
    .describe("The keys of every page"),
});
type Data = z.output<typeof data>;

/** @param pages those that keys may lead to */
export function keysPanel(pages: () => readonly Page[]): Panel {
  return definePanel({
    id: "keys",
    title: "Keys",
    description: "The keys that every page knows.",
    api: "/api/keys",
    params: noParams,
    data,
    live: false,
    load: ({ now_ms }) => ({
      at_ms: now_ms,
      keys: [
        { keys: ["/"], does: "Search" },
        { keys: ["?"], does: "Show these keys" },
        ...pages().flatMap(({ key, title }) =>
          key === undefined ? [] : [{ keys: ["g", key], does: title }],
        ),
      ],
    }),
    view,
    table: ({ keys }) => ({
      columns: ["keys", "does"],
      rows: keys.map(({ keys, does }) => [keys.join(" "), does]),
    }),
  });
}

function view({ keys }: Data) {
  return (
    <>
      <dl class="keys">
        {keys.map(({ keys, does }) => (
          <div>
            <dt>
              {keys.map((key, index) => (
                <>
                  {index === 0 ? null : " then "}
                  <kbd>{key}</kbd>
                </>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p class="quiet">
        They need JavaScript and rest while you type.{" "}
        {/* The page's script shows it and says what it does. */}
        <button type="button" class="switch-keys" hidden>
          Switch keys off
        </button>
      </p>
    </>
  );
}
