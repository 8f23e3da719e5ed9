#!/bin/sh
# tidy.sh BUILD-DIR - clang-tidy over every file of the program (not of the tests), two at a time.
set -eu
cd "$(dirname "$0")/../.."
find common coordinator agent -name '*.c' -print0 | sort -z |
    xargs -0 -r -P 2 -n 4 clang-tidy -p "$1" --quiet 2>&1 | { grep -v 'warnings generated\.$' || true; } >"$1/tidy.log"
[ ! -s "$1/tidy.log" ] || { cat "$1/tidy.log" && exit 1; }
