/** Whether a value fits a clinic's own field. Pure. */

export interface FieldDefinition {
  readonly field_type: string;
  readonly options: readonly string[] | null;
}

/** Why the value does not fit; `null` when it does. Never repeats the value. */
export function misfit({ field_type, options }: FieldDefinition, value: unknown): string | null {
  switch (field_type) {
    case 'text':
      return typeof value === 'string' ? null : 'this field takes a text';
    case 'number':
      return typeof value === 'number' ? null : 'this field takes a number';
    case 'boolean':
      return typeof value === 'boolean' ? null : 'this field takes true or false';
    case 'date':
      return typeof value === 'string' && isDate(value) ? null : 'this field takes a date such as 2026-11-21';
    case 'select':
      return typeof value === 'string' && isOption(options, value) ? null : choices(options, 'one');
    case 'multiselect':
      return Array.isArray(value) && new Set(value).size === value.length && value.every((one) => isOption(options, one)) ? null : choices(options, 'some');
    default:
      return 'this field’s type is not known here';
  }
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  // The 30th of February would become the 2nd of March.
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

function isOption(options: readonly string[] | null, value: unknown): boolean {
  return typeof value === 'string' && options !== null && options.includes(value);
}

function choices(options: readonly string[] | null, how: 'one' | 'some'): string {
  return `this field takes ${how === 'one' ? 'one' : 'a list'} of: ${(options ?? []).join(', ')}`;
}
