#!/bin/sh
# scripts.sh - shellcheck over every shell script, a syntax check over every Python file.
set -eu
cd "$(dirname "$0")/../.."
find script .ci tests ci-templates -name node_modules -prune -o -type f -exec grep -lE '^#! ?/(usr/)?bin/(env )?(ba)?sh' {} + |
    sort | xargs shellcheck --severity=style
find script tests agent -name node_modules -prune -o -name '*.py' -print | sort |
    xargs /usr/bin/python3 -c 'import sys
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        compile(file.read(), name, "exec")'
