#!/usr/bin/env bash
# Installs what is missing and runs every test: format, lints, unit, property, end-to-end with real
# containers, documentation. Needs root for the containers; without it those tests say so and skip.
set -euo pipefail
cd "$(dirname "$0")"

step() { printf '\n== %s\n' "$*" >&2; }

packages=(build-essential nftables iproute2 busybox-static docker-registry skopeo sqlite3 python3-venv prometheus chromium chromium-driver cvc5)
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
# Node comes from many places; where there is none, the distribution's serves the MCP suite and inspector.
command -v npx >/dev/null || missing+=(npm)
if ((${#missing[@]})); then
    step "installing ${missing[*]}"
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    else
        echo "NOT INSTALLED: ${missing[*]} (needs root and apt-get); tests that need them will skip" >&2
    fi
fi

step "format"
cargo fmt --all --check
step "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings
step "fuzz targets, with the examples that are kept"
orchestrator/fuzz/run 0
step "tests"
cargo test --workspace --locked --no-fail-fast --no-run
# Tests wait a lot: a minute of each fuzz target fits in between, with what is left of the processors.
nice -n 19 chrt --idle 0 orchestrator/fuzz/run 60 >"${CARGO_TARGET_DIR:-target}/fuzz/last.log" 2>&1 &
fuzzing=$!
trap 'kill "$fuzzing" 2>/dev/null || true' EXIT
cargo test --workspace --locked --no-fail-fast
step "a minute of each fuzz target"
if ! wait "$fuzzing"; then
    cat "${CARGO_TARGET_DIR:-target}/fuzz/last.log" >&2
    exit 1
fi
grep 'Done' "${CARGO_TARGET_DIR:-target}/fuzz/last.log" >&2
step "documentation"
RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --locked --document-private-items
step "all green"
