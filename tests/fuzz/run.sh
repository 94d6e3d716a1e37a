#!/bin/bash
# Fuzzes every format for SECONDS each (60 where none is given), or N times each however long that takes, from the seeds and whatever
# earlier runs found, under the asan preset's build. Findings lie in build/asan/tests/fuzz/found; what was learnt in build/asan/tests/fuzz/learnt.
#   tests/fuzz/run.sh [SECONDS|runs=N] [FUZZER…]
set -euo pipefail
cd "$(dirname "$0")/../.."
limit=-max_total_time=${1:-60}
[[ ${1:-} != runs=* ]] || limit=-runs=${1#runs=}
shift || true
place=build/asan/tests/fuzz
[ -f build/asan/CMakeCache.txt ] || cmake --preset asan > /dev/null
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    for file in tests/fuzz/*.cpp; do
        name=$(basename "$file" .cpp)
        [ "$name" = make_corpus ] || names+=("$name")
    done
fi
cmake --build build/asan --target ecsdb_fuzz_corpus "${names[@]/#/ecsdb_fuzz_}"
"$place/ecsdb_fuzz_corpus" "$place/corpus"
mkdir -p "$place/found"
status=0
for name in "${names[@]}"; do
    mkdir -p "$place/learnt/$name"
    echo "== $name"
    words=()
    [ ! -f "tests/fuzz/$name.dict" ] || words=("-dict=tests/fuzz/$name.dict")
    ASAN_OPTIONS=allocator_may_return_null=1 "$place/ecsdb_fuzz_$name" "$limit" -timeout=10 -malloc_limit_mb=64 \
        -rss_limit_mb=2048 -print_final_stats=1 -verbosity=1 -artifact_prefix="$place/found/$name-" \
        ${words[@]+"${words[@]}"} "$place/learnt/$name" "$place/corpus/$name" 2>&1 | grep -v "^#.*\(NEW\|REDUCE\|pulse\|RELOAD\)" || status=1
done
exit $status
