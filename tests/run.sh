#!/usr/bin/env bash
# Builds ecsdb's tests and runs them: ./tests/run.sh [preset], where the preset is dev, release, asan, tsan, ubsan, noexcept, clang or
# coverage. Installs what is missing by apt where it may. The last line is "N passed, M failed".
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$root/tests/support/machine.sh"
preset=${1:-dev}

# give_up WHY: nothing was tested, which is a failure of its own.
give_up() {
    echo "$1" >&2
    echo "0 passed, 1 failed"
    exit 1
}

need_packages_for_preset "$preset" || give_up "the machine is not ready"
build_preset "$root" "$preset" || give_up "the $preset build failed"

say "testing $preset"
log="$root/build/$preset/tests.log"
(cd "$root" && ctest --preset "$preset" --parallel "$(jobs_here)" --progress) 2>&1 | tee "$log"

summary=$(grep -E '^[0-9]+% tests passed' "$log" | tail -n 1)
[[ $summary =~ ([0-9]+)\ tests\ failed\ out\ of\ ([0-9]+) ]] || give_up "ctest gave no summary"
failed=${BASH_REMATCH[1]}
total=${BASH_REMATCH[2]}
skipped=$(grep -cE '^[[:space:]]*[0-9]+ - .* \(Skipped\)$' "$log")
[ "$skipped" = 0 ] || echo "$skipped skipped"
echo "$summary"
echo "$((total - failed - skipped)) passed, $failed failed"
[ "$failed" = 0 ]
