import type { Read } from "../metrics/read.ts";
import type { Panel } from "../views/panel.ts";
import type { Split } from "../views/part.tsx";
import type { PanelRequest } from "./params.ts";
import type { Site } from "./site.ts";

type RenderPanel = Site["renderPanel"];

/** One panel with its parameters at one tick: loaded and rendered when first asked for, and then kept. */
export class Topic {
  readonly request: PanelRequest;
  readonly #read: Read;
  readonly #renderPanel: RenderPanel;
  readonly #counts: Counts;
  #data: Kept<Record<string, unknown>> | undefined;
  #drawn: Kept<Record<string, unknown>> | undefined;
  #rendered: Kept<Split> | undefined;
  #json: string | undefined;

  constructor(request: PanelRequest, read: Read, renderPanel: RenderPanel, counts: Counts) {
    this.request = request;
    this.#read = read;
    this.#renderPanel = renderPanel;
    this.#counts = counts;
  }

  data(): Record<string, unknown> {
    this.#data ??= this.#loaded(this.request.panel.load);
    return this.#data();
  }

  /** What of the data is drawn. */
  drawn(): Record<string, unknown> {
    const { glance } = this.request.panel;
    if (glance === undefined) return this.data();
    this.#drawn ??= this.#loaded(glance);
    return this.#drawn();
  }

  /** The data as a JSON object. */
  json(): string {
    this.#json ??= JSON.stringify(this.data());
    return this.#json;
  }

  rendered(): Split {
    this.#rendered ??= keep(() => {
      const data = this.drawn();
      this.#counts.renders++;
      const known = () => data;
      const loaded = { ...this.request.panel, load: known, glance: known };
      return this.#renderPanel(loaded, this.request.params, this.#read);
    });
    return this.#rendered();
  }

  #loaded(load: Panel["load"]): Kept<Record<string, unknown>> {
    return keep(() => {
      this.#counts.loads++;
      return load(this.#read, this.request.params);
    });
  }
}

interface Counts {
  loads: number;
  renders: number;
  errors: number;
}

/** The render cache: every topic once a tick, whoever asks. */
export class Topics {
  readonly counts: Counts = { loads: 0, renders: 0, errors: 0 };
  /** How often there was no room to keep a topic. */
  overflows = 0;
  readonly #read: () => Read;
  readonly #renderPanel: RenderPanel;
  readonly #max_topics: number;
  readonly #topics = new Map<string, Topic>();
  #at: Read | null = null;

  constructor(options: { read: () => Read; renderPanel: RenderPanel; max_topics: number }) {
    this.#read = options.read;
    this.#renderPanel = options.renderPanel;
    this.#max_topics = options.max_topics;
  }

  /** The topic at the newest tick. Beyond the cache's bound it is made for this one caller. */
  get(request: PanelRequest): Topic {
    const read = this.#read();
    // Another one comes with each tick, and when somebody dealt with an alert.
    if (read !== this.#at) {
      this.#topics.clear();
      this.#at = read;
    }
    const kept = this.#topics.get(request.key);
    if (kept) return kept;
    const topic = this.of(request, read);
    if (this.#topics.size < this.#max_topics) this.#topics.set(request.key, topic);
    else this.overflows++;
    return topic;
  }

  /** A topic of any other read, kept by nobody. */
  of(request: PanelRequest, read: Read): Topic {
    return new Topic(request, read, this.#renderPanel, this.counts);
  }
}

type Kept<T> = () => T;

/** Runs once and gives the same result, or the same error, ever after. */
function keep<T>(make: () => T): Kept<T> {
  try {
    const value = make();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}
