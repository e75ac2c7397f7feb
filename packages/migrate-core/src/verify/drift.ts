/** What of a schema is not as the applied migrations make it, object by object. Pure. */

import { createHash } from 'node:crypto';

import { type CatalogDifference, diffCatalogs } from '../catalog/difference.ts';
import { readLines, writeLine } from '../catalog/line.ts';
import type { VerifyFinding } from './finding.ts';

export interface ComparedCatalog {
  readonly text: string;
  readonly hash: string;
}

/**
 * A catalogue without what is not the migrations': the schema itself, which was made for them, the extensions of the database, and the owner that all
 * objects have in common.
 */
export function comparable({ text }: { readonly text: string }, owner: string): ComparedCatalog {
  const lines = readLines(text).filter(
    (line) => line.object !== 'schema' && !line.object.startsWith('extension ') && !(line.aspect === 'owner' && line.value === owner),
  );
  const kept = lines.map(writeLine).join('\n');
  return { text: kept, hash: createHash('sha256').update(kept).digest('hex') };
}

/** @param extent `own`: what the migrations do not make belongs to somebody else who uses the same schema. */
export function driftFindings(expected: ComparedCatalog, actual: ComparedCatalog, extent: 'whole' | 'own', schema: string | null = null): VerifyFinding[] {
  if (expected.hash === actual.hash) return [];
  return diffCatalogs(expected, actual)
    .filter((one) => extent === 'whole' || one.change !== 'added')
    .map((one) => findingOf(one, schema === null ? '' : ` in the schema ${schema}`));
}

/** Whether an index is INVALID, where there is nothing to compare with. */
export function invalidIndexFinding(index: string, table: string): VerifyFinding {
  return invalid(`index ${index} of table ${table}`);
}

function invalid(object: string): VerifyFinding {
  const message = `${object} is INVALID: it was not finished, answers no query, and a unique one refuses rows all the same`;
  return { code: 'invalidIndex', severity: 'error', object, message, hint: 'REINDEX INDEX CONCURRENTLY, or drop it and build it again' };
}

function findingOf(difference: CatalogDifference, place: string): VerifyFinding {
  const { change, part, aspect, before, after } = difference;
  const name = `${difference.name}${place}`;
  if (/^(?:index|constraint) /.test(part ?? '') && aspect === null && after?.endsWith(' invalid') === true && before?.endsWith(' invalid') !== true)
    return invalid(name);
  if (part?.startsWith('constraint ') === true && after === `${before} NOT VALID`) {
    const message = `${name} is NOT VALID: rows that were there before may break it, and the migrations have it validated`;
    return { code: 'constraintNotValidated', severity: 'error', object: name, message, hint: 'ALTER TABLE … VALIDATE CONSTRAINT …' };
  }
  const harmless = aspect === 'comment' || part === 'column order';
  const text =
    change === 'added'
      ? 'is there, and no applied migration makes it'
      : change === 'removed'
        ? 'is gone: an applied migration makes it'
        : `is not as the applied migrations make it${told(before, after)}`;
  const hint = change === 'added' ? 'write a migration that makes it, or take it away' : 'bring it back, or write a migration that has it so';
  return { code: 'drift', severity: harmless ? 'warning' : 'error', object: name, message: `${name} ${text}`, hint };
}

/** Longer ones are functions and views, which a person compares in an editor. */
const LONGEST = 200;

function told(before: string | null, after: string | null): string {
  if (before === null || after === null || before.length > LONGEST || after.length > LONGEST) return '';
  return `: ${before.replaceAll('\n', ' ')} became ${after.replaceAll('\n', ' ')}`;
}
