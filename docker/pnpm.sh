#!/bin/sh
# Runs pnpm while an image is built: with the network's own certificates, and also where the base image brings node alone.
set -eu
if [ -z "${NPM_CONFIG_REGISTRY:-}" ]; then unset NPM_CONFIG_REGISTRY; fi
if ls docker/certificates/*.crt >/dev/null 2>&1; then
  cat docker/certificates/*.crt >/tmp/certificates.pem
  export NODE_EXTRA_CA_CERTS=/tmp/certificates.pem SSL_CERT_FILE=/tmp/certificates.pem
fi
if ! command -v npm >/dev/null 2>&1; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends npm >/dev/null
fi
if ! npx -y pnpm@12 "$@"; then
  echo 'pnpm failed. Where a proxy looks into TLS, put its root certificate into docker/certificates; for a mirror, set NPM_CONFIG_REGISTRY.' >&2
  exit 1
fi
