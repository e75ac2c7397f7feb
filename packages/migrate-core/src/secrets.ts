/** Keeps passwords out of messages that repeat what somebody typed. Pure. */

/** `user:password@` is how our own hints write the form of a URL. Up to the last @ of the word: a password may hold one, or a `/`. */
const IN_URL = /(:\/{1,2}[^\s:]*):(?!password@)\S*@/g;
/** A URL of ours to the last @ before a quote: a password may hold a blank. Where nothing but a user stands in front, nothing is hidden. */
const IN_OURS = /(postgres(?:ql)?:\/{1,2}[^\s:@/]*):(?!password@)[^"\n]*@/gi;
const IN_SETTING = /(password\s*=\s*)(?:'[^'\n]*'|"[^"\n]*"|[^\s&"'`]+)/gi;

/**
 * `postgres://user:***@host/database` for a URL with a password, `password=***` for a setting. Everything else is left as it is, and a text without either
 * comes back unchanged.
 */
export function withoutPasswords(text: string): string {
  return text.replaceAll(IN_OURS, '$1:***@').replaceAll(IN_URL, '$1:***@').replaceAll(IN_SETTING, '$1***');
}
