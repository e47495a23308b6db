import { clean } from "../metrics/format.ts";
import type { Markup } from "./panel.ts";

/** Characters of a name that people give. */
export const MAX_NAME = 100;
/** Characters of what they say. */
export const MAX_NOTE = 1000;

const EMPTY = ' data-viewer="" value=""';

/** Who deals with an alert. A panel is the same for everybody: the viewer's own name comes in by `withViewer`. */
export function NameField(): Markup {
  return (
    <label>
      Your name <input name="by" required maxlength={MAX_NAME} autocomplete="name" data-viewer="" value="" />
    </label>
  );
}

/** Stands where the forms of a panel are, and is shown to whoever may only read: these see no form. */
export function OnlyOperators(): Markup {
  return <p class="quiet why-not">You may read only: this is for operators.</p>;
}

/** A page's markup with the viewer's name where it is asked for. No text from outside can hold a quote as markup. */
export function withViewer(markup: string, name: string): string {
  if (name === "") return markup;
  return markup.replaceAll(EMPTY, () => ` value="${escaped(clean(name))}"`);
}

function escaped(text: string): string {
  return text.replace(/[&"<>]/g, (character) => `&#${character.charCodeAt(0)};`);
}
