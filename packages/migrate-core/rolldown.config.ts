import { bundle } from '@org/packing';

export default bundle({
  entries: { index: './src/index.ts', pgm: './src/pgm.ts' },
  // What every run needs, and what those need that have something to do.
  together: { common: ['./src/index.ts'], running: ['./src/engine/run.ts', './src/engine/prepare.ts', './src/problems-here.ts', './src/source/compile.ts'] },
});
