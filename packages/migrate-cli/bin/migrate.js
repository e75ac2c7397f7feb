#!/usr/bin/env node
// Plain JavaScript, and small: it must at least say something useful on a Node.js that is too old for the rest.
import { existsSync } from 'node:fs';
import * as module from 'node:module';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`migrate needs Node.js 22.18 or newer; this is ${process.versions.node} (${process.execPath}).\n`);
  process.exit(2);
}

// Compiling, and stripping types in a checkout, is most of what a command that finds nothing to do would spend its time on.
module.enableCompileCache?.();

// In a checkout the sources are what runs, of this package and of those beside it: nothing has to be built first.
const source = new URL('../src/main.ts', import.meta.url);
const checkout = existsSync(source);
if (checkout) resolveToSources();
// Of what is packed a stack tells files of `dist`, which nobody wrote. Reading their maps takes time: only where stacks are shown.
else if (process.argv.includes('--verbose')) process.setSourceMapsEnabled(true);

const { main } = await import(checkout ? source.href : new URL('../dist/main.js', import.meta.url).href);
process.exitCode = await main(process.argv.slice(2));

function resolveToSources() {
  const own = /\/migrate-(?:core|cli)\/src\/[^?]*$/;
  module.registerHooks({
    resolve(specifier, context, next) {
      // Between our own files nothing is to be searched for; Node.js would look at the disk a dozen times for each.
      if (specifier.startsWith('.') && specifier.endsWith('.ts') && context.parentURL !== undefined && own.test(context.parentURL)) {
        return { url: new URL(specifier, context.parentURL).href, format: 'module-typescript', shortCircuit: true };
      }
      if (specifier.startsWith('@org/') || specifier === '#driver') return next(specifier, { ...context, conditions: ['@org/source', ...context.conditions] });
      return next(specifier, context);
    },
  });
}
