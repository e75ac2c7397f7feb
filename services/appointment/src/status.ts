/** What can become of an appointment. Pure. */

const NEXT: Readonly<Record<string, readonly string[]>> = {
  scheduled: ['confirmed', 'completed', 'cancelled'],
  confirmed: ['completed', 'cancelled'],
  completed: [],
  cancelled: [],
};

/** Whether it may go from one status to the other; staying is allowed, so that a request can be sent twice. */
export function mayBecome(from: string, to: string): boolean {
  return from === to || (NEXT[from]?.includes(to) ?? false);
}
