/** Parts of schemas that several routes share. */

import { Type } from 'typebox';

export const strict = { additionalProperties: false };
/** In whatever case; what it is stored and signed as is lower. */
export const clinicId = Type.String({ pattern: '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' });
export const email = Type.String({ format: 'email', maxLength: 320 });
export const password = Type.String({ minLength: 12, maxLength: 200 });
export const name = Type.String({ minLength: 1, maxLength: 100 });

/** A text of at most so many characters, or null. */
export function optional(maxLength: number): ReturnType<typeof Type.Union<[ReturnType<typeof Type.String>, ReturnType<typeof Type.Null>]>> {
  return Type.Union([Type.String({ maxLength }), Type.Null()]);
}
