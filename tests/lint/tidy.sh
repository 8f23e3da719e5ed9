#!/bin/sh
# tidy.sh BUILD-DIR - clang-tidy over every file of the program (not of the tests), two at a time.
set -eu
cd "$(dirname "$0")/../.."
find common coordinator agent -name '*.c' -print0 | sort -z |
    xargs -0 -r -P 2 -n 1 clang-tidy -p "$1" --quiet --extra-arg=-Wno-unknown-warning-option 2>/dev/null >"$1/tidy.log" || true
grep -qE ': (error|warning): ' "$1/tidy.log" || exit 0
cat "$1/tidy.log"
exit 1
