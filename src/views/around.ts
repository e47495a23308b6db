import type { Filters, Read } from "../metrics/read.ts";
import type { Density, SavedView, Theme } from "./preferences.ts";

/** How any page looks, whatever it shows. */
export interface Look {
  /** Ends with a slash; every link, form and asset is relative to it. */
  readonly base: string;
  readonly theme: Theme;
  readonly density: Density;
  /** The zone that times are shown in; empty: the browser's own. */
  readonly tz: string;
  /** False where it is not loaded again by itself without JavaScript either: somebody fills in a form. */
  readonly reload: boolean;
  /** True for a wall: without what is there to be clicked. */
  readonly kiosk: boolean;
  readonly assets: {
    readonly style: string;
    readonly script: string;
    readonly charts: string;
    readonly icon: string;
    /** While something critical fires. */
    readonly alarm: string;
  };
  /** The address as it was asked for, below the base path, with its query. */
  readonly url: string;
}

/** What a page of HTML needs beside its panels. */
export interface Around extends Look {
  /** As of the newest tick, or of the moment of the past that is shown. */
  readonly read: Read;
  /** Address of the stream of the page's panels, relative to the base; null for the past, which stands still. */
  readonly stream: string | null;
  /** Whether the page can be shown as it was. */
  readonly rewind: boolean;
  /** The newest tick, Unix milliseconds. */
  readonly newest_ms: number;
  /** The first moment that can be shown, Unix milliseconds; null where there is none. */
  readonly first_ms: number | null;
  /** What a page about one thing is about; null for any other. */
  readonly subject: string | null;
  /** The panel in the header, and how many alerts it counts; null where there is none. */
  readonly header: { readonly html: string; readonly critical: number; readonly warning: number } | null;
  /** Who is logged in; null where nobody has to be. */
  readonly user: { readonly name: string; readonly role: string } | null;
  /** The viewer's name, as they gave it; empty where they did not. */
  readonly viewer: string;
  /** What the viewer saved; empty for whoever has no session. */
  readonly views: readonly SavedView[];
  /** What is saved for everybody. */
  readonly shared_views: readonly SavedView[];
  /** Whether who looks may deal with alerts, and save views for everybody. */
  readonly may_operate: boolean;
  /** What narrows the page; null where it takes no filter. */
  readonly filters: Filters | null;
}
