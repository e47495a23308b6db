import type { User } from "../metrics/accounts.ts";
import { count, shorten, visible } from "../metrics/format.ts";
import type { Around, Look } from "./around.ts";
import { Name, Time } from "./components.tsx";
import { Done, Form, type FormProblem, fieldsOf } from "./form.tsx";
import { renderAlone, renderPlain } from "./layout.tsx";

const CLIENT_LENGTH = 100;
/** Rows of a table of accounts; there may be thousands. */
export const ROWS_LIMIT = 200;

export interface LoginView {
  /** Where it leads then, below the base path. */
  readonly next: string;
  /** What was wrong with the last try. */
  readonly problem: FormProblem | null;
}

/** Where one logs in; it shows nothing of the fleet. */
export function renderLogin({ next, problem }: LoginView, look: Look): string {
  const { field, value } = fieldsOf(problem, "login");
  return renderAlone(
    "Log in",
    look,
    <>
      <h1>Log in</h1>
      <Form action="login" problem={problem} class="fields">
        <input type="hidden" name="next" value={next} />
        <label>
          Name
          <input
            autofocus={problem === null}
            {...field("name")}
            value={value("name")}
            required
            autocomplete="username"
          />
        </label>
        <label>
          Password
          <input type="password" {...field("password")} required autocomplete="current-password" />
        </label>
        <button type="submit">Log in</button>
      </Form>
    </>,
  );
}

export interface SessionRow {
  readonly hash: string;
  readonly user: string | null;
  readonly client: string | null;
  readonly created_ms: number;
}

export interface AccountView {
  /** Null where nobody has to log in, or who asks does so by a token. */
  readonly user: User | null;
  /** The hash of the session that asks. */
  readonly session: string;
  readonly sessions: readonly SessionRow[];
  readonly done: string | null;
  readonly problem: FormProblem | null;
}

/** One's own account. */
export function renderAccount(view: AccountView, around: Around): string {
  const { user, session, sessions, done, problem } = view;
  const content =
    user === null ? (
      <p class="hint">
        Nobody has to log in here. <code>evenkeel user add NAME --role admin</code> makes the first user; from
        then on everybody has to.
      </p>
    ) : (
      <>
        <section class="panel" aria-labelledby="ac-you">
          <h2 id="ac-you">
            {user.name}, {user.role}
          </h2>
          <div class="body buttons">
            <form method="post" action="logout">
              <button type="submit">Log out</button>
            </form>
            <form method="post" action="account/sessions/end-all">
              <button type="submit" class="secondary">
                Log out everywhere
              </button>
            </form>
          </div>
        </section>
        <OwnPassword user={user} problem={problem} />
        <Sessions id="ac" sessions={sessions} here={session} action="account/sessions/end" />
      </>
    );
  return renderPlain(
    "Account",
    around,
    <>
      <Done what={done} />
      {content}
    </>,
  );
}

function OwnPassword({ user, problem }: { user: User; problem: FormProblem | null }) {
  const action = "account/password";
  const { field } = fieldsOf(problem, action);
  return (
    <section class="panel" aria-labelledby="ac-password">
      <h2 id="ac-password">
        Password <small class="note">another one ends all other sessions</small>
      </h2>
      <Form action={action} problem={problem} class="body fields">
        <input type="hidden" name="username" value={user.name} autocomplete="username" />
        <label>
          The old one
          <input type="password" {...field("old")} required autocomplete="current-password" />
        </label>
        <NewPassword field={field("password")} label="The new one" />
        <button type="submit">Change the password</button>
      </Form>
    </section>
  );
}

/** @param field its attributes */
export function NewPassword({ field, label }: { field: object; label: string }) {
  return (
    <label>
      {label}, 10 characters or more
      <input type="password" {...field} required minlength={10} autocomplete="new-password" />
    </label>
  );
}

interface SessionsProps {
  id: string;
  sessions: readonly SessionRow[];
  /** The hash of the one that asks; null where that is not told apart. */
  here: string | null;
  action: string;
  /** Whether it says whose they are. */
  named?: boolean;
}

export function Sessions({ id, sessions, here, action, named = false }: SessionsProps) {
  return (
    <section class="panel" aria-labelledby={`${id}-sessions`}>
      <h2 id={`${id}-sessions`}>
        Sessions {sessions.length === 0 ? <small class="note">none</small> : null}
      </h2>
      <table class="sources" hidden={sessions.length === 0}>
        <thead>
          <tr>
            {named ? <th scope="col">User</th> : null}
            <th scope="col">Logged in by</th>
            <th scope="col">Since</th>
            <th scope="col">
              <span class="vh">End it</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {sessions.slice(0, ROWS_LIMIT).map(({ hash, user, client, created_ms }) => (
            <tr>
              {named ? <th scope="row">{user}</th> : null}
              <td data-label="Logged in by">
                <Name>{visible(shorten(client ?? "", CLIENT_LENGTH))}</Name>
              </td>
              <td data-label="Since">
                <Time at_ms={created_ms} full />
              </td>
              <td>
                {hash === here ? (
                  "this one"
                ) : (
                  <form method="post" action={action}>
                    <input type="hidden" name="session" value={hash} />
                    <button type="submit" class="secondary">
                      End
                    </button>
                  </form>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <Left all={sessions} />
    </section>
  );
}

/** How many rows a table leaves out. */
export function Left({ all, api }: { all: readonly unknown[]; api?: string }) {
  const left = all.length - ROWS_LIMIT;
  if (left <= 0) return null;
  return (
    <p class="more">
      and {count(left)} more
      {api === undefined ? null : (
        <>
          , all of them <a href={api}>as JSON</a>
        </>
      )}
    </p>
  );
}
