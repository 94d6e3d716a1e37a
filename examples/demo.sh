#!/usr/bin/env bash
# Runs the demo: real levels into a database, readers beside a writer, a kill in the middle, and the proof that nothing was lost.
# Installs what is missing by apt where it may; without the package freedoom the demo builds a level of its own.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$root/tests/support/machine.sh"

need_packages_for_preset release freedoom
build_preset "$root" release --target ecsdb_example_08_demo
say "running the demo"
mkdir -p "$root/build/demo"
cd "$root/build/demo"
exec "$root/build/release/examples/08_demo" "$@"
