import type { Child } from "hono/jsx";
import { clean, visible } from "../metrics/format.ts";

/** What is wrong with a form that was sent: shown in it, where somebody has just filled it in. */
export interface FormProblem {
  /** The form's action, below the base path. */
  readonly form: string;
  /** The field that is wrong; null where it is none of the form's. */
  readonly field: string | null;
  /** The field, the rule, and what came. */
  readonly message: string;
  /** What was filled in, by field, but for passwords. */
  readonly filled: Readonly<Record<string, string>>;
}

/** Of the one problem that a page can have. */
const ID = "problem";

interface FormProps {
  /** Below the base path. */
  action: string;
  method?: "get" | "post";
  /** The page's, which may be another form's. */
  problem: FormProblem | null;
  class?: string;
  children?: Child;
}

/** A form that says itself what is wrong with it. */
export function Form({ action, method = "post", problem, class: name, children }: FormProps) {
  return (
    <form method={method} action={action} class={name}>
      {problem?.form === action ? (
        <p id={ID} class="problem" role="alert">
          <bdi>{clean(problem.message)}</bdi>
        </p>
      ) : null}
      {children}
    </form>
  );
}

/** Of a form's fields: their attributes, and what they were filled in with. */
export function fieldsOf(problem: FormProblem | null, action: string) {
  const own = problem?.form === action ? problem : null;
  return {
    /** Where the field is what is wrong it says so, and whoever reads the page goes on there. */
    field: (name: string): object =>
      own?.field === name
        ? { name, "aria-invalid": "true", "aria-describedby": ID, autofocus: true }
        : { name },
    value: (name: string, otherwise = ""): string => clean(own?.filled[name] ?? otherwise),
  };
}

interface AskProps {
  /** Below the base path. */
  action: string;
  /** What opens the question. */
  what: string;
  /** The button that does it. */
  sure: string;
  /** To what it is done, for whoever does not see what stands beside it. */
  name?: string;
  /** The page's, which may be another form's. */
  problem?: FormProblem | null;
}

/** What can't be taken back is asked for twice. */
export function Ask({ action, what, sure, name, problem = null }: AskProps) {
  return (
    <details class="ask" open={problem?.form === action}>
      <summary aria-label={name === undefined ? undefined : `${what} ${name}`}>{what}</summary>
      <Form action={action} problem={problem}>
        <button type="submit">{sure}</button>
      </Form>
    </details>
  );
}

/** What was just done, above all else of the page. */
export function Done({ what }: { what: string | null }) {
  return what === null ? null : (
    <p class="done" role="status">
      {visible(what)}
    </p>
  );
}
