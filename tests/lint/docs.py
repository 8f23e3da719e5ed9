#!/usr/bin/python3
"""Links in the documents lead somewhere, the index of decisions is whole, and so is the table of the agent's variables.

Silent when all is well."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DECISIONS = ROOT / "docs" / "decisions"


def documents():
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").glob("*/README.md")])


def without_code(text):
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)


def anchors(path):
    """The anchors of a document's headings, as forges make them."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        where = (path.parent / file).resolve() if file else path
        if not where.exists():
            yield f"{path.relative_to(ROOT)}: no file {target}"
        elif anchor and anchor not in anchors(where):
            yield f"{path.relative_to(ROOT)}: no heading {target}"


def missing():
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    for path in sorted(DECISIONS.glob("[0-9]*.md")):
        if f"({path.name})" not in index:
            title = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ").split(". ", 1)[-1]
            yield f"docs/decisions/README.md: not listed: - [{path.name[:4]}]({path.name}) {title}"


def untold():
    told = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "agent").rglob("*.c")):
        for name in re.findall(r'\.env = "(\w+)"', path.read_text(encoding="utf-8")):
            if f"`{name}`" not in told:
                yield f"docs/operations.md: {name} of {path.relative_to(ROOT)} is not in the table"


def main():
    found = [line for path in documents() for line in broken(path)] + list(missing()) + list(untold())
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
