/** How many clinics may be registered from one address: whoever registers has no account yet, and each clinic costs every service something. */

import type { RateLimitPluginOptions } from '@fastify/rate-limit';
import { HttpProblem, parseCount, SettingsError } from '@org/service-kit';

/** A sign-up page behind one address serves many, and registrations are sent again; a flood is more. */
const PER_MINUTE = 300;

/**
 * Of each process by itself: three replicas let in three times as many.
 *
 * @param environment REGISTRATIONS_PER_MINUTE: from one address, answered or refused. Default 300. An IPv6 network of 64 bits is one address.
 * @throws SettingsError
 */
export function registrationLimit(environment: NodeJS.ProcessEnv): RateLimitPluginOptions {
  const given = environment['REGISTRATIONS_PER_MINUTE']?.trim() || null;
  const max = given === null ? PER_MINUTE : parseCount(given);
  if (max === null) throw new SettingsError([`REGISTRATIONS_PER_MINUTE is "${given}", and must be a number from 1 to 9999`]);
  return {
    // Only of the routes that say so.
    global: false,
    max,
    timeWindow: 60_000,
    errorResponseBuilder: () => new HttpProblem(429, 'too many clinics are registered from this address; try again in a minute'),
  };
}
