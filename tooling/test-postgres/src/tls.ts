/** A server that lets the role `tls_user` in by its certificate only. The keys are nobody's secret; the certificates hold for a hundred years. */

import { chown, mkdtemp, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { runOn, type OwnServer } from './server.ts';

const FILES = {
  'ca.crt': `-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUZ4COZGIsTFBAlSvEg+ULQqLwfNIwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyMTE4MzgxNVoYDzIxMjYxMDI4
MTgzODE1WjAUMRIwEAYDVQQDDAlhdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASXRmOiSB0xn88eDv+wEEQ5KrXt7meXD436MBHlL0z1SjiHTMrFnIGq
wxugMb6Ub6aX9ObnqkCX0/WCSALkw0E8o1MwUTAdBgNVHQ4EFgQU4LJFFYjabwNf
Xp/rKnRdcfCuHYswHwYDVR0jBBgwFoAU4LJFFYjabwNfXp/rKnRdcfCuHYswDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEAj1LJKFaw7ZxFiNZHmIkZ
OPNyBuoJzb2JyJhbt9m6hFkCIAJD7eWR/gXxTrZzmgxknO17oDISXulcUdOcsG38
c1v6
-----END CERTIFICATE-----
`,
  'server.crt': `-----BEGIN CERTIFICATE-----
MIIBhzCCASygAwIBAgIUW/HVJkEcUMxXK6Gw3+k/Nkb/2KUwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyMTE4MzgxNVoYDzIxMjYxMDI4
MTgzODE1WjAVMRMwEQYDVQQDDApkYi5leGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZI
zj0DAQcDQgAEQ8hVfR24qaOkIIn4FsFq51FnBSJo1k998N0s9QCrxFe8LHSnI09p
/3xsowxaybgP/3HDC3FnIOnXpXpOWIXV7KNZMFcwFQYDVR0RBA4wDIIKZGIuZXhh
bXBsZTAdBgNVHQ4EFgQUEWIrQFbqLxoDIE7vuW+ykGgQ8NgwHwYDVR0jBBgwFoAU
4LJFFYjabwNfXp/rKnRdcfCuHYswCgYIKoZIzj0EAwIDSQAwRgIhAJQlHt19bdxb
ZNAe918z0Q7KxROm6Qk8YkHPDU9GiHKHAiEAlD7FHVSpjUeFCIQUnfusIv3oCOlo
OBpCbTExEvifGOY=
-----END CERTIFICATE-----
`,
  'server.key': `-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIFGbrB6TLYM9dATnA18kMnMoImbeaXlmmHjQC0kMdRN7oAoGCCqGSM49
AwEHoUQDQgAEQ8hVfR24qaOkIIn4FsFq51FnBSJo1k998N0s9QCrxFe8LHSnI09p
/3xsowxaybgP/3HDC3FnIOnXpXpOWIXV7A==
-----END EC PRIVATE KEY-----
`,
  'client.crt': `-----BEGIN CERTIFICATE-----
MIIBIzCBygIUW/HVJkEcUMxXK6Gw3+k/Nkb/2KYwCgYIKoZIzj0EAwIwFDESMBAG
A1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyMTE4MzgxNVoYDzIxMjYxMDI4MTgzODE1
WjATMREwDwYDVQQDDAh0bHNfdXNlcjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BAEnm/0DLTyADFBuRXB2JR0t2NoyHxKR9+U7BZPspzj7wx4VWKT+mrb+1vTjdzls
XkaxK6BMtl85GcWZC7I9XEQwCgYIKoZIzj0EAwIDSAAwRQIgDc7fTEU00NptJb2g
90YHrPqCsA/eEKAKwkWYg2xTO/MCIQCgxn2z0UCVpVRxpWNnqFvQwL2d8Pj5YogI
ZxNUFEmZqg==
-----END CERTIFICATE-----
`,
  'client.key': `-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIPaxfPPDNWC7nrTIxvpmGFMP34w5/QpZG5xLHxhk8pV1oAoGCCqGSM49
AwEHoUQDQgAEASeb/QMtPIAMUG5FcHYlHS3Y2jIfEpH35TsFk+ynOPvDHhVYpP6a
tv7W9ON3OWxeRrEroEy2XzkZxZkLsj1cRA==
-----END EC PRIVATE KEY-----
`,
} as const;

/** Paths of PEM files. The server's certificate is one of `db.example`, and not of its address. */
export interface TlsFiles {
  readonly authority: string;
  /** Of the role `tls_user`. */
  readonly certificate: string;
  readonly key: string;
}

/** Turns TLS on and makes the role `tls_user`, which may only come with TLS and its certificate. */
export async function withTls(server: OwnServer): Promise<TlsFiles> {
  const own = await stat(server.directory);
  const hba = `hostssl all tls_user 127.0.0.1/32 cert\nhostnossl all tls_user 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 scram-sha-256\n`;
  for (const [name, text] of [...Object.entries(FILES), ['pg_hba.conf', hba] as const]) {
    const path = join(server.directory, name);
    await writeFile(path, text, { mode: 0o600 });
    await chown(path, own.uid, own.gid);
  }
  for (const [name, value] of Object.entries({ ssl_ca_file: 'ca.crt', ssl_cert_file: 'server.crt', ssl_key_file: 'server.key', ssl: 'on' }))
    await runOn(server, `ALTER SYSTEM SET ${name} = '${value}'`);
  await runOn(server, 'CREATE ROLE tls_user LOGIN SUPERUSER');
  await server.stop();
  await server.start();
  const folder = await mkdtemp(join(tmpdir(), 'tls-'));
  for (const name of ['ca.crt', 'client.crt', 'client.key'] as const) await writeFile(join(folder, name), FILES[name], { mode: 0o600 });
  return { authority: join(folder, 'ca.crt'), certificate: join(folder, 'client.crt'), key: join(folder, 'client.key') };
}
