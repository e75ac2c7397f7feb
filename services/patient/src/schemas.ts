/** Parts of schemas that several routes share. */

import { Type } from 'typebox';

export const strict = { additionalProperties: false };
export const uuid = Type.String({ format: 'uuid' });
export const time = Type.String({ format: 'date-time' });

/** A text of at most so many characters, or null. */
export function optional(maxLength: number): ReturnType<typeof Type.Union<[ReturnType<typeof Type.String>, ReturnType<typeof Type.Null>]>> {
  return Type.Union([Type.String({ maxLength }), Type.Null()]);
}
