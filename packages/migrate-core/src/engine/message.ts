/** One message to the server, put together from pieces whose origin is remembered, so that an error finds its line. Pure. */

import type { Script } from '../migration.ts';
import { utf16Offset, writtenOffset } from '../position.ts';

/**
 * What a piece is for. It matters when the piece fails: at `commit` a deferred constraint does, at `lock` somebody else was first, and `validity` says that an
 * index is INVALID.
 */
export type PieceRole = 'begin' | 'guard' | 'lock' | 'generation' | 'create' | 'settings' | 'statement' | 'validity' | 'record' | 'commit';

export interface Piece {
  readonly role: PieceRole;
  readonly sql: string;
  /** For statements of a migration, and what is asked about them: which one. */
  readonly origin: { readonly script: Script; readonly index: number } | null;
  /** UTF-16 offset in the message. */
  readonly start: number;
}

export class Message {
  readonly #pieces: Piece[] = [];
  #text = '';

  add(role: PieceRole, sql: string, origin: Piece['origin'] = null): this {
    this.#pieces.push({ role, sql, origin, start: this.#text.length });
    // The newline matters: a statement may end in a `-- comment`, which would swallow whatever follows, COMMIT included.
    this.#text += `${sql}\n;\n`;
    return this;
  }

  get text(): string {
    return this.#text;
  }

  get pieces(): readonly Piece[] {
    return this.#pieces;
  }

  /** The piece that failed when the server finished `completed` of them: each yields exactly one CommandComplete. */
  pieceAfter(completed: number): Piece | null {
    return this.#pieces[completed] ?? null;
  }

  /** The index of the piece that holds the server's `position` (characters from 1). */
  pieceIndexAt(position: number): number {
    const offset = utf16Offset(this.#text, position - 1);
    return this.#pieces.findLastIndex((piece) => piece.start <= offset);
  }

  /**
   * The UTF-16 offset in the failing migration's SQL of the server's `position` (characters from 1, in the whole message);
   * the statement's beginning where the server gave none.
   */
  offsetInScript(piece: Piece, position: string | undefined): number | null {
    const statement = piece.origin?.script.statements[piece.origin.index];
    if (statement === undefined) return null;
    if (position === undefined) return statement.start;
    const inMessage = utf16Offset(this.#text, Number(position) - 1);
    const inPiece = inMessage - piece.start;
    return inPiece >= 0 && inPiece <= piece.sql.length ? statement.start + writtenOffset(statement.moved ?? [], inPiece) : statement.start;
  }
}
