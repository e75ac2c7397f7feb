/** One line at the bottom of a terminal that says what is going on and for how long. Elsewhere: nothing. */

import type { createLogUpdate } from 'log-update';

import { duration, fit } from './text.ts';

/** Shorter work needs no line: it would only flicker. */
const SHOW_AFTER_MS = 400;
const REDRAW_MS = 120;
const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

export class Progress {
  readonly #stream: NodeJS.WriteStream | null;
  readonly #signal: AbortSignal;
  #update: ReturnType<typeof createLogUpdate> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #text: (() => string) | null = null;
  #since = 0;
  #frame = 0;

  /** @param signal Once it is aborted nothing is drawn: what is written about that must stay. */
  constructor(stream: NodeJS.WriteStream | null, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
    if (stream !== null) signal.addEventListener('abort', () => this.clear());
  }

  /** From now on this, and for how long. */
  show(text: string): void {
    const since = performance.now();
    this.#since = since;
    this.follow(() => `${text}  ${duration(performance.now() - since)}`);
  }

  /** What goes on is asked for at every redraw. */
  follow(text: () => string): void {
    if (this.#stream === null || this.#signal.aborted) return;
    if (this.#text === null && this.#since === 0) this.#since = performance.now();
    this.#text = text;
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => void this.#draw(), REDRAW_MS);
    this.#timer.unref();
  }

  /** Writes something that stays, above the line. */
  above(write: () => void): void {
    this.#update?.clear();
    write();
  }

  /** Nothing runs just now. */
  idle(): void {
    this.#text = null;
    this.#update?.clear();
  }

  clear(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#text = null;
    this.#update?.clear();
    // Gives the cursor back.
    this.#update?.done();
    this.#update = null;
  }

  async #draw(): Promise<void> {
    const stream = this.#stream;
    const elapsed = performance.now() - this.#since;
    if (stream === null || this.#text === null || this.#signal.aborted || elapsed < SHOW_AFTER_MS) return;
    if (this.#update === null) {
      const { createLogUpdate: create } = await import('log-update');
      // The work may have ended while this was loaded.
      if (this.#text === null) return;
      this.#update ??= create(stream);
    }
    this.#frame = (this.#frame + 1) % FRAMES.length;
    this.#update(`  ${FRAMES[this.#frame]} ${fit(this.#text(), Math.max(20, (stream.columns || 80) - 6))}`);
  }
}
