/** The document of a fleet's run, written target by target: thousands of them are not kept until the end. */

import type { Failure, MigrationError, TargetName, TenantResult } from '@org/migrate-core';

import type { Output } from '../invocation.ts';
import { place } from '../render/document.ts';

/** Characters: a write for each target would take longer than what it tells. */
const AT_ONCE = 65_536;

export class FleetDocument {
  readonly #output: Output;
  readonly #service: string;
  #begun = false;
  #waiting = '';

  constructor(output: Output, service: string) {
    this.#output = output;
    this.#service = service;
  }

  /** Whether anything was written: from then on an error must not begin another document. */
  get begun(): boolean {
    return this.#begun;
  }

  add(target: object): void {
    const separator = this.#begun ? ',' : this.#head();
    this.#begun = true;
    this.#waiting += `${separator}\n        ${JSON.stringify(target)}`;
    if (this.#waiting.length >= AT_ONCE) this.#flush();
  }

  /** @param more Further keys of the service. */
  end(more: Readonly<Record<string, unknown>> = {}): void {
    const head = this.#begun ? '' : this.#head();
    this.#begun = true;
    const keys = Object.entries(more).map(([key, value]) => `,\n      ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
    this.#waiting += `${head}\n      ]${keys.join('')}\n    }\n  ]\n}\n`;
    this.#flush();
  }

  #flush(): void {
    this.#output.piece(this.#waiting);
    this.#waiting = '';
  }

  #head(): string {
    return `{\n  "services": [\n    {\n      "service": ${JSON.stringify(this.#service)},\n      "targets": [`;
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

export function errorKeys({ code, message, hint, sqlState }: MigrationError): object {
  return { code, message, hint, sqlState };
}
