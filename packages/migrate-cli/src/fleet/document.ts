/** A document about services with tenants, written target by target: thousands of them are not kept until the end. */

import type { Failure, TargetName, TenantResult } from '@org/migrate-core';

import type { Output } from '../invocation.ts';
import { place } from '../render/document.ts';

/** Characters: a write for each target would take longer than what it tells. */
const AT_ONCE = 65_536;

export class ServicesDocument {
  readonly #output: Output;
  /** Services that are in it, and targets of the last one. */
  #services = 0;
  #targets = 0;
  #next: string | null = null;
  #waiting = '';

  constructor(output: Output) {
    this.#output = output;
  }

  /** Whether anything was written: from then on an error must not begin another document. */
  get begun(): boolean {
    return this.#services > 0;
  }

  /** The targets that follow are this service's. Writes nothing yet. */
  begin(service: string): void {
    this.#next = service;
  }

  add(target: object): void {
    this.#head();
    this.#waiting += `${this.#targets++ === 0 ? '' : ','}\n        ${JSON.stringify(target)}`;
    if (this.#waiting.length >= AT_ONCE) this.#flush();
  }

  /** The service is done with. @param more Further keys of it. */
  close(more: Readonly<Record<string, unknown>> = {}): void {
    this.#head();
    const keys = Object.entries(more).map(([key, value]) => `,\n      ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
    this.#waiting += `\n      ]${keys.join('')}\n    }`;
  }

  end(): void {
    this.#waiting += `${this.begun ? '' : '{\n  "services": ['}\n  ]\n}\n`;
    this.#flush();
  }

  #head(): void {
    if (this.#next === null) return;
    const before = this.#services++ === 0 ? '{\n  "services": [' : ',';
    this.#waiting += `${before}\n    {\n      "service": ${JSON.stringify(this.#next)},\n      "targets": [`;
    this.#next = null;
    this.#targets = 0;
  }

  #flush(): void {
    this.#output.piece(this.#waiting);
    this.#waiting = '';
  }
}

export function resultTarget(result: TenantResult, database: string, cwd: string): object {
  const { tenant, outcome, applied, undone, failed, durationMs } = result;
  return {
    target: targetName(result, database),
    tenant,
    outcome,
    applied,
    undone,
    failed: failed === null ? null : failure(failed, cwd),
    durationMs: Math.round(durationMs),
  };
}

/** As the library names one target: the database, and the schema where that is not `public`. */
export function targetName({ schema, database }: Pick<TenantResult, 'schema' | 'database'>, standard: string): TargetName['name'] {
  const own = database ?? standard;
  return schema === null || schema === 'public' ? own : `${own}.${schema}`;
}

function failure({ name, version, code, message, position, statement, sqlState }: Failure, cwd: string): object {
  // Without a version it is not about a migration: no such schema, no connection.
  return { version: version || name || null, code, message, ...place(position, cwd), statement, sqlState: stateOf(sqlState) };
}

/** What is no SQLSTATE is an error of another kind, whose code says it already. */
export function stateOf(sqlState: string | null): string | null {
  return sqlState !== null && /^[\dA-Z]{5}$/.test(sqlState) ? sqlState : null;
}
