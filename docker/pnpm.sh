#!/bin/sh
# Runs pnpm while an image is built. The first run downloads pnpm; nothing is used unless its hash is the one in a lockfile:
# docker/pnpm/package-lock.json for pnpm itself, pnpm-lock.yaml for all else.
# Another version of pnpm: change it in docker/pnpm/package.json, then
# npm install --package-lock-only --omit-lockfile-registry-resolved --prefix docker/pnpm
set -eu
pnpm=$(echo docker/pnpm/node_modules/@pnpm/exe.*/pnpm)

# pnpm does not read npm's name for it.
if [ -n "${NPM_CONFIG_REGISTRY:-}" ]; then export pnpm_config_registry="$NPM_CONFIG_REGISTRY"; else unset NPM_CONFIG_REGISTRY; fi

# One set of roots for npm and pnpm: node's own, since a slim image has no others, the image's where it has, and this network's.
roots=/tmp/certificates.pem
node -p 'require("node:tls").rootCertificates.join("\n")' >"$roots"
for file in /etc/ssl/certs/ca-certificates.crt docker/certificates/*.crt; do
  if [ -f "$file" ]; then cat "$file" >>"$roots"; fi
done
export NODE_EXTRA_CA_CERTS="$roots" SSL_CERT_FILE="$roots"

if ! [ -x "$pnpm" ]; then
  # Some base images bring node alone.
  if ! command -v npm >/dev/null 2>&1; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends npm >/dev/null
  fi

  # Asked before the downloads: npm passes over an optional package that it cannot get, and says nothing of why.
  doubt=$(npm view pnpm name --fetch-retries=0 2>&1 |
    grep -o -m 1 -E 'SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT_LOCALLY|UNABLE_TO_VERIFY_LEAF_SIGNATURE' || true)
  if [ -n "$doubt" ] && [ -n "${NPM_CONFIG_REGISTRY:-}" ]; then
    # A registry of one's own may be sent a token, which nobody on the way must read.
    echo "The certificate of NPM_CONFIG_REGISTRY is not trusted ($doubt): put the root certificate of its network into docker/certificates." >&2
    exit 1
  elif [ -n "$doubt" ]; then
    echo "The registry's certificate could not be verified ($doubt), as where a proxy looks into TLS; the hash of every download is, by the lockfiles." >&2
    export npm_config_strict_ssl=false pnpm_config_strict_ssl=false
  fi

  npm ci --prefix docker/pnpm --ignore-scripts --no-audit --no-fund
  pnpm=$(echo docker/pnpm/node_modules/@pnpm/exe.*/pnpm)
  if ! [ -x "$pnpm" ]; then
    echo 'pnpm could not be downloaded with the hash in docker/pnpm/package-lock.json, or is not listed there for this machine.' >&2
    exit 1
  fi
fi

if [ "pnpm@$("$pnpm" --version)" != "$(node -p 'require("./package.json").packageManager')" ]; then
  echo 'docker/pnpm/package.json and packageManager in package.json name different versions of pnpm.' >&2
  exit 1
fi
exec "$pnpm" "$@"
