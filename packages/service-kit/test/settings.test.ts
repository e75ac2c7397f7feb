import { expect, test } from 'vitest';
import { parseDuration, readSettings, SettingsError } from '../src/settings.ts';

test('durations are read with their units, and a bare number is seconds', () => {
  expect(['500ms', '30s', '5m', '1h', '2', '1.5s', '0s'].map(parseDuration)).toEqual([500, 30_000, 300_000, 3_600_000, 2_000, 1_500, 0]);
  expect(['', 'soon', '-1s', '1d', '1 s'].map(parseDuration)).toEqual([null, null, null, null, null]);
});

test('nothing set gives a service for one’s own machine', () => {
  expect(readSettings({}, { port: 3001 })).toMatchObject({
    host: '127.0.0.1',
    port: 3001,
    migrations: { mode: 'run', requirementWaitMs: 300_000, lockWaitMs: 600_000 },
  });
});

test('production has no default secret, and does not take the one for development', () => {
  const development = readSettings({}, { port: 1 }).authSecret;
  for (const secret of ['', development, 'short']) {
    expect(() => readSettings({ NODE_ENV: 'production', AUTH_SECRET: secret }, { port: 1 })).toThrow(SettingsError);
  }
  expect(readSettings({ NODE_ENV: 'production', AUTH_SECRET: 'x'.repeat(32) }, { port: 1 }).authSecret).toHaveLength(32);
});

test('proxies are addresses and networks, and nobody is trusted unless he is named', () => {
  expect(readSettings({}, { port: 1 }).trustedProxies).toEqual([]);
  expect(readSettings({ TRUSTED_PROXIES: '10.0.0.0/8, ::1,' }, { port: 1 }).trustedProxies).toEqual(['10.0.0.0/8', '::1']);
  for (const wrong of ['true', 'proxy.example.org', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.0/']) {
    expect(() => readSettings({ TRUSTED_PROXIES: `::1,${wrong}` }, { port: 1 }), wrong).toThrow(/TRUSTED_PROXIES has/);
  }
});

test('every problem is named at once', () => {
  expect(() => readSettings({ PORT: '99999', LOG_LEVEL: 'loud', MIGRATE_LOCK_WAIT: 'long' }, { port: 1 })).toThrow(/PORT.*LOG_LEVEL.*MIGRATE_LOCK_WAIT/);
});
