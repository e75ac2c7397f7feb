import { bundle } from '@org/packing';

export default bundle({
  entries: { main: './src/main.ts' },
  // `up` is what deploys run, and mostly finds nothing to do.
  together: { common: ['./src/main.ts', './src/commands/up.ts'] },
  copied: ['pg'],
  // The other driver that `pg` would take where somebody installed and asked for it.
  notCopied: ['pg-native'],
});
