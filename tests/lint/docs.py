#!/usr/bin/python3
"""Links in the documents lead somewhere, the index of decisions is whole, and so is the table of the agent's variables;
paragraphs stay within the columns. Silent when all is well.

    docs.py            tells what is wrong
    docs.py --wrap     fills the paragraphs that are too wide anew
"""

import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
DECISIONS = ROOT / "docs" / "decisions"
COLUMNS = 120
# What is not filled: headings, tables, quotes, pictures and HTML.
NOT_PROSE = re.compile(r"\s*(#|\||>|!\[|<)")
ITEM = re.compile(r"(\s*)([-*]|\d+\.) +")


def documents():
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").glob("*/*.md")])


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


def paragraphs(lines):
    """Pieces of a document, each a list of lines, and whether it is prose that may be filled."""
    piece, fenced = [], False
    for line in lines:
        fence = line.lstrip().startswith("```")
        plain = not (fenced or fence or not line.strip() or NOT_PROSE.match(line)
                     or (not piece and line.startswith("    ")))
        if piece and (not plain or ITEM.match(line)):
            yield piece, True
            piece = []
        if plain:
            piece.append(line)
        else:
            yield [line], False
        fenced ^= fence
    if piece:
        yield piece, True


def filled(piece):
    """A name in backquotes or a link is not broken."""
    item = ITEM.match(piece[0])
    first = item.group(0) if item else re.match(r" *", piece[0]).group(0)
    text = " ".join(line.strip() for line in piece)[len(first.lstrip()):]
    text = re.sub(r"`[^`]*`|\]\([^)]*\)", lambda found: found.group(0).replace(" ", "\0"), text)
    lines = textwrap.wrap(text, COLUMNS, initial_indent=first, subsequent_indent=" " * len(first),
                          break_long_words=False, break_on_hyphens=False)
    return [line.replace("\0", " ") for line in lines]


def anew(path):
    """The pieces of a document: number of the first line, lines, and lines as they should be."""
    number = 1
    for piece, prose in paragraphs(path.read_text(encoding="utf-8").splitlines()):
        is_wide = any(len(line) > COLUMNS for line in piece)
        yield number, piece, filled(piece) if prose and is_wide else piece
        number += len(piece)


def too_wide(path):
    for number, piece, better in anew(path):
        if piece != better:
            yield f"{path.relative_to(ROOT)}:{number}: wider than {COLUMNS} columns; docs.py --wrap fills it anew"


def wrap(path):
    lines = [line for _number, _piece, better in anew(path) for line in better]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    if sys.argv[1:] == ["--wrap"]:
        for path in documents():
            wrap(path)
    found = [line for path in documents() for line in [*broken(path), *too_wide(path)]]
    found += [*missing(), *untold()]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
