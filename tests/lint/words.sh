#!/bin/sh
# words.sh - nothing in the tree names the machine it was written on, or a registry's host.
set -eu
cd "$(dirname "$0")/../.."
# The patterns are put together here so that they do not find themselves.
machine='(^|[^[:alnum:]._-])/(work|home|root|Users)/[[:alnum:]]'
hosts='(^|[^[:alnum:]-])(deb|archive|security|registry|snapshot)\.(debian|ubuntu|npmjs|yarnpkg)\.(org|com)|"resolved":'
secrets='BEGIN ([A-Z]+ )?PRIVATE KEY|mspt_[[:alnum:]]{20,}'
if git rev-parse --git-dir >/dev/null 2>&1; then
    hits=$(git grep -nIE "$machine|$hosts|$secrets" -- . ':!tests/lint/words.sh' || true)
else # a copy without history: everything but what the build makes
    hits=$(grep -rnIE --exclude-dir=build --exclude-dir=node_modules --exclude=words.sh "$machine|$hosts|$secrets" . || true)
fi
[ -z "$hits" ] || { printf '%s\n' "$hits" && exit 1; }
