#!/bin/sh
# Makespan on any CI, or on hosts of your own: run this on each of N machines.
#
#   MAKESPAN_URL, MAKESPAN_CA, MAKESPAN_TOKEN   the lines that makespand printed
#   MAKESPAN_RUN_KEY                            the same on all machines, another one for each run: a build's number
#   MAKESPAN_INDEX, MAKESPAN_TOTAL              which machine this is, from 0, and of how many
#
#   sh plain.sh pytest tests/                   exit 0: this machine did its part, or the run is complete and green
#   sh plain.sh verdict                         once, on one machine: exit 0 if and only if the run is green
set -eu
: "${MAKESPAN_URL:?}" "${MAKESPAN_CA:?}" "${MAKESPAN_TOKEN:?}" "${MAKESPAN_RUN_KEY:?}"

agent=$(mktemp -d)/makespan
curl -fsSk --retry 5 --retry-connrefused --pinnedpubkey "$MAKESPAN_CA" -o "$agent" "$MAKESPAN_URL/agent/linux-x86_64"
chmod +x "$agent"

if [ "${1-}" = verdict ]; then
    exec "$agent" verdict --close # the jobs above have ended: what has no result by now never will
fi
: "${MAKESPAN_INDEX:?}" "${MAKESPAN_TOTAL:?}"
exec "$agent" run -- "$@" # exec: a shell in between would swallow the signal to stop
