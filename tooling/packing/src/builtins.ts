/** How a packed file gets at Node.js's own modules. Pure. */

/**
 * Asks for them by `process.getBuiltinModule`, where they are imported by name. An import makes all their names ready for importers, and some of
 * `node:crypto` load much that a migration never uses. Lines stay where they are, and so do their places in the source map.
 */
export function requireBuiltins(code: string): string {
  return code.replaceAll(/^import \{ ([^{}\n]+) \} from ("node:[\w/]+");$/gm, (_import, names: string, module: string) => {
    return `const { ${names.replaceAll(' as ', ': ')} } = process.getBuiltinModule(${module});`;
  });
}
