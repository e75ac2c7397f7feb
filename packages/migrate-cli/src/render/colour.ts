/** Colours, or none. */

export type Paint = (text: string) => string;

export interface Colours {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly cyan: Paint;
}

const plain: Paint = (text) => text;

export const noColours: Colours = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain };

/** Loads the colours only where they will be seen. */
export async function chooseColours(
  stream: { readonly isTTY?: boolean },
  wanted: boolean,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Colours> {
  if (!wanted || environment['NO_COLOR'] || environment['CI'] || environment['TERM'] === 'dumb' || stream.isTTY !== true) return noColours;
  const { default: colours } = await import('yoctocolors');
  return colours;
}
