export { MigrationError } from './errors.ts';
export type { ErrorCode, SourcePosition } from './errors.ts';
export { defineService } from './service.ts';
export type { ServiceDefinition } from './service.ts';
