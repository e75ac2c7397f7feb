import { expect, test } from 'vitest';

import { describeFailure } from '../src/engine/failure.ts';
import { Message } from '../src/engine/message.ts';
import { raisedHint, raisedMessage } from '../src/engine/raised.ts';
import type { ServerError } from '../src/session.ts';
import { withoutData } from '../src/withheld.ts';

const sql = `
  DO $$ BEGIN
    RAISE EXCEPTION 'duplicate patient: %, born %', name, born USING HINT = 'merge them', ERRCODE = 'unique_violation';
    raise 'it''s 100%% of %', x;
    RAISE EXCEPTION '%', SQLERRM;
    RAISE EXCEPTION 'no clinic is left';
    RAISE EXCEPTION $q$a 'quoted' % here$q$, x;
    RAISE EXCEPTION USING MESSAGE = 'only words', HINT = 'call ' || name;
    RAISE EXCEPTION USING MESSAGE = format('%s rows, 5%% of %2$-10I', n, t), ERRCODE = 'check_violation';
    ASSERT found, 'must be found';
  END $$;
  DO 'BEGIN RAISE EXCEPTION ''old body: %'', x; END';`;

test.each([
  ['duplicate patient: Amal, born 1990', 'duplicate patient: …, born …'],
  ['duplicate patient: , born ', 'duplicate patient: …, born …'],
  [`it's 100% of Amal`, `it's 100% of …`],
  ['no clinic is left', 'no clinic is left'],
  [`a 'quoted' Amal here`, `a 'quoted' … here`],
  ['only words', 'only words'],
  ['3 rows, 5% of Amal      ', '… rows, 5% of …'],
  ['must be found', 'must be found'],
  ['assertion failed', 'assertion failed'],
  ['old body: Amal', 'old body: …'],
  ['Amal is there twice', null],
  ['no clinic is left of Amal', null],
  ['duplicate patient: Amal', null],
  ['only words of Amal', null],
])('of "%s" is shown: %s', (message, expected) => {
  expect(raisedMessage(message, sql)).toBe(expected);
});

test('a hint is shown when it stands in the text', () => {
  expect(raisedHint('merge them', sql)).toBe('merge them');
  expect(raisedHint('call Amal', sql)).toBeNull();
  expect(raisedHint(undefined, sql)).toBeNull();
});

function serverError(message: string, parts: Partial<ServerError>): ServerError {
  return Object.assign(new Error(message), { severity: 'ERROR', ...parts });
}

test('the server’s own routine tells an exception with another SQLSTATE', () => {
  const error = serverError('Amal is there twice', { code: '23505', routine: 'exec_stmt_raise', hint: 'ask Amal', detail: 'Amal' });
  const failure = describeFailure(error, new Message(), null, []);
  expect(failure.message).toContain('an exception that a function or trigger raises');
  expect(failure.hint).toBeNull();
  expect(failure.data).toBe('Amal is there twice\nDETAIL: Amal\nHINT: ask Amal');
  expect(withoutData(serverError('relation "x" does not exist', { code: '42P01', routine: 'parserOpenTable' }), '')).toBe('relation "x" does not exist');
});

test('the name of a setting is shown when it stands in the text', () => {
  const error = serverError('unrecognized configuration parameter "a.Amal"', { code: '42704', routine: 'find_option' });
  expect(withoutData(error, "SELECT current_setting('a.' || name) FROM patients")).toBe('unrecognized configuration parameter "…"');
  expect(withoutData(error, "SELECT current_setting('a.Amal')")).toBe('unrecognized configuration parameter "a.Amal"');
});
