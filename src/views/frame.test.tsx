import { expect, test } from "vitest";
import { z } from "zod";
import { fixtureRead } from "./fixture.ts";
import { renderPanel } from "./frame.tsx";
import { definePanel } from "./panel.ts";

const thing = definePanel({
  id: "thing",
  title: "Thing",
  description: "One thing.",
  api: "/api/things/:id/state",
  params: z.object({ id: z.string(), only: z.string().optional() }),
  data: z.object({}),
  load: () => ({}),
  view: () => <p />,
  table: () => ({ columns: [], rows: [] }),
});
const hrefs = (params: Record<string, unknown>, panel = thing) =>
  [...renderPanel(panel, params, fixtureRead()).html.matchAll(/ href="([^"]*)"/g)].map(([, href]) => href);

test("a panel names its other forms, with the parameters that it has", () => {
  expect(hrefs({ id: "a/b", only: "x,&y" })).toEqual([
    "api/things/a%2Fb/state?only=x,%26y",
    "api/things/a%2Fb/state?only=x,%26y&amp;format=csv",
    "embed/thing?id=a%2Fb&amp;only=x,%26y",
  ]);
  expect(hrefs({ id: "stats" })[1]).toBe("api/things/~stats/state?format=csv");
});

test("one of history says so below its charts instead", () => {
  expect(hrefs({ id: "a" }, { ...thing, live: false })).toEqual([]);
});

test("no text reorders or hides what stands around it, and a field keeps its value to the letter", () => {
  const odd = "a\u202eb\u2066c\u009bd\u007f";
  const view = () => (
    <p title={odd}>
      {odd} <input value={odd} />" value="{odd}
    </p>
  );
  const { html } = renderPanel({ ...thing, view }, { id: "x" }, fixtureRead());
  expect(html).toContain(`<p title="abcd">abcd <input value="${odd}"/>&quot; value=&quot;abcd</p>`);
});
