#!/bin/sh
# tidy.sh BUILD-DIR - clang-tidy over every file of the programs (not of the tests), two at a time.
#
# A file that was clean is not looked at again until it, a header or the checks change: what was
# clean is remembered in BUILD-DIR/tidy.
set -eu

if [ "${2-}" = --one ]; then # tidy.sh BUILD-DIR --one HEADERS-DIGEST FILE
    stamp=$1/tidy/$(printf '%s' "$3" | cat - "$4" | sha256sum | cut -c1-32)
    [ ! -e "$stamp" ] || exit 0
    said=$(clang-tidy -p "$1" --quiet --extra-arg=-Wno-unknown-warning-option "$4" 2>/dev/null) || true
    case $said in
    *': error: '* | *': warning: '*) printf '%s\n' "$said" && exit 1 ;;
    esac
    : >"$stamp"
    exit 0
fi

cd "$(dirname "$0")/../.."
mkdir -p "$1/tidy"
headers=$(find common coordinator agent -name '*.h' -print0 | sort -z | xargs -0 cat .clang-tidy | sha256sum)
find common coordinator agent -name '*.c' -print0 | sort -z |
    xargs -0 -r -P 2 -n 1 tests/lint/tidy.sh "$1" --one "$headers"
