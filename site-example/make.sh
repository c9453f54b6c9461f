#!/bin/sh
# Issues every badge of the example again, with the demo's own key: sh make.sh (in this folder).
set -eu
issue() { # member badge from [more flags]
  m=$1 b=$2 from=$3; shift 3
  ${PORTILLON:-go run ../cmd/portillon} badge issue --key keys/DEMO-ONLY-issuer.json --policy policy.yaml --badge "$b" --recipient "$m@example.org" \
    --description "Badge de démonstration" --criteria "Avoir montré, sur la machine, ce que ce niveau demande." \
    --status https://lab.example/obv3/revoked/biklab --id "https://lab.example/obv3/credentials/$m-$b" --from "${from}T09:00:00Z" -o "badges/$m-$b.json" "$@"
}
chmod 600 keys/DEMO-ONLY-issuer.json   # git does not keep the mode that a key file must have
rm -f badges/*.json
issue lea laser-user 2025-09-15
issue lea vinyl-first-steps 2025-09-15
issue jules laser-first-steps 2025-09-15
issue karim laser-mentor 2025-09-15
issue karim laser-user 2025-09-15
issue karim vinyl-user 2025-09-15
issue ines laser-maintainer 2025-09-15
issue nour vinyl-host 2025-09-15
issue nour vinyl-user 2025-09-15
issue nour vinyl-mentor 2025-09-15
issue malik laser-user 2023-03-03 --until 2026-03-03T09:00:00Z
issue camille fdm-user 2025-09-15
issue tom fdm-first-steps 2025-09-15
issue aicha fdm-maintainer 2025-09-15
issue aicha fdm-mentor 2025-09-15
issue yann vinyl-maintainer 2025-09-15
issue rosa fdm-host 2025-09-15
issue rosa fdm-user 2025-09-15
issue pauline fdm-first-steps 2025-09-15
issue pauline vinyl-first-steps 2025-09-15
