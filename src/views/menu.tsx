import type { Child } from "hono/jsx";
import type { Markup } from "./panel.ts";

interface MenuProps {
  /** Of what opens; unique on the page. */
  id: string;
  /** What its button shows. */
  button: Child;
  /** What the button is called where that does not say it. */
  label?: string;
  class: string;
  children: Child;
}

/**
 * A button and what it opens. The browser itself opens it, closes it by Escape or by a press elsewhere, and gives
 * the focus back: no script has a part in it.
 */
export function Menu({ id, button, label, class: name, children }: MenuProps): Markup {
  return (
    <div class={name}>
      <button type="button" popovertarget={id} aria-label={label}>
        {button}
      </button>
      <div id={id} popover="auto">
        {children}
      </div>
    </div>
  );
}
