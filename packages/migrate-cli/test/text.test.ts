import { expect, test } from 'vitest';

import { noColours } from '../src/render/colour.ts';
import { table } from '../src/render/table.ts';
import { printable, printableText } from '../src/render/text.ts';
import { renderFinding } from '../src/verification/render.ts';

test('a name with line breaks stays in its line', () => {
  expect(printable('a\nb\r\tc\u001b[31m\u202e\u2028')).toBe(String.raw`a\nb\r\tc\x1b[31m\x202e\x2028`);
  expect(table(['id', 'state'], [[printable('a\n✗ b'), 'current']], noColours).split('\n')).toEqual(['id      state', String.raw`a\n✗ b  current`]);
});

test('a message keeps its own line breaks', () => {
  expect(printableText('one\n\ttwo\u001b[1m')).toBe('one\n\ttwo\\x1b[1m');
  const finding = { code: 'stray', severity: 'warning', object: 'a\nb', message: 'a\nb has a history\nof visits', hint: null } as const;
  expect(renderFinding(finding, noColours, null)).toEqual([String.raw`  ! a\nb has a history`, '    of visits']);
});
