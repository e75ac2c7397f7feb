import { bundle } from '@org/packing';

// `up` is what deploys run, and mostly finds nothing to do.
export default bundle({ entries: { main: './src/main.ts' }, together: ['./src/main.ts', './src/commands/up.ts'] });
