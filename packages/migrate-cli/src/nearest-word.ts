/** What was probably meant by a word that nobody knows. Pure. */

/** The one that differs least, if by little; `null` otherwise. */
export function nearestWord(word: string, among: readonly string[]): string | null {
  let best: { readonly word: string; readonly distance: number } | null = null;
  for (const one of among) {
    const distance = editDistance(word, one);
    if (distance <= Math.max(2, Math.floor(one.length / 3)) && distance < (best?.distance ?? Number.POSITIVE_INFINITY)) best = { word: one, distance };
  }
  return best?.word ?? among.find((one) => word.length > 2 && one.startsWith(word)) ?? null;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
