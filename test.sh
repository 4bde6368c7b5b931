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
# Integration tests of the packages that are named as `--test` flags, with others of the same name; with `not` all
# others, and every program's own tests as `--bin` flags (`--bins` would run the fuzz targets too, which never end).
tests_of() {
    cargo metadata --no-deps --locked --format-version 1 | python3 -c '
import json, sys
targets = [(p["name"] in sys.argv[2:], t) for p in json.load(sys.stdin)["packages"] for t in p["targets"]]
tests = {t["name"] for _, t in targets if "test" in t["kind"]}
named = {t["name"] for of, t in targets if of and "test" in t["kind"]}
bins = {t["name"] for _, t in targets if "bin" in t["kind"] and t["test"]}
if sys.argv[1] == "of":
    print("\n".join("--test=" + name for name in sorted(named)))
else:
    print("\n".join(["--test=" + name for name in sorted(tests - named)] + ["--bin=" + name for name in sorted(bins)]))
' "$@"
}
waiting=(ostler ostler-broker ostler-proxy ostler-runtime)
# Those that wait for minutes and do next to nothing meanwhile, and judge nobody's speed: beside the others.
patient=(--test={agents,autonomy,certificates,every_stage,leak,models,python_agent,reload,scaler})
mapfile -t wait_tests < <(tests_of of "${waiting[@]}" | grep -vxFe "$(printf '%s\n' "${patient[@]}")")
mapfile -t work_tests < <(tests_of not "${waiting[@]}")
run=(cargo test --workspace --locked --no-fail-fast)
logs="${CARGO_TARGET_DIR:-target}/logs"
mkdir -p "$logs"
"${run[@]}" --no-run
# Tests with containers mostly wait. What only reckons, and a minute of each fuzz target, takes what they leave.
beside=(nice -n 19 chrt --idle 0)
"${beside[@]}" orchestrator/fuzz/run 60 >"$logs/fuzz.log" 2>&1 &
fuzzing=$!
"${beside[@]}" "${run[@]}" --lib "${work_tests[@]}" >"$logs/work.log" 2>&1 &
working=$!
"${run[@]}" "${patient[@]}" >"$logs/patient.log" 2>&1 &
patient_ones=$!
trap 'kill "$fuzzing" "$working" "$patient_ones" 2>/dev/null || true' EXIT
failed=()
"${run[@]}" "${wait_tests[@]}" || failed+=("tests that wait")
step "tests that wait for minutes"
wait "$patient_ones" || failed+=("tests that wait for minutes")
cat "$logs/patient.log"
step "tests that only reckon"
wait "$working" || failed+=("tests that only reckon")
cat "$logs/work.log"
"${run[@]}" --doc || failed+=("examples in the documentation")
step "a minute of each fuzz target"
wait "$fuzzing" || failed+=("fuzz targets")
cat "$logs/fuzz.log"
if ((${#failed[@]})); then
    step "FAILED: ${failed[*]}"
    exit 1
fi
step "documentation"
RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --locked --document-private-items
step "all green"
