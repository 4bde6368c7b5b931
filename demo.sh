#!/usr/bin/env bash
# Installs what is missing, builds Ostler and runs the demo: a small shop in real containers, three
# faults, what was done about them and the proof. Leaves nothing behind but the build.
# With --yes nobody is asked; otherwise you approve what the healer proposes.
# It is a development build: a release build takes twice as long and shows the same.
set -euo pipefail
cd "$(dirname "$0")"

missing=()
command -v nft >/dev/null || [ -x /usr/sbin/nft ] || missing+=(nftables)
command -v cc >/dev/null || missing+=(build-essential)
if ((${#missing[@]})); then
    echo "installing ${missing[*]}" >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
if [ "$(id -u)" != 0 ]; then
    echo "the demo runs real containers: run it as root" >&2
    exit 1
fi
cargo build --locked -p ostler
exec "${CARGO_TARGET_DIR:-target}/debug/ostler" demo "$@"
