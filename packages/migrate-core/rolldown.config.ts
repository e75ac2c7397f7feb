import { bundle } from '@org/packing';

export default bundle({ entries: { index: './src/index.ts', pgm: './src/pgm.ts' }, together: ['./src/index.ts'] });
