#!/usr/bin/python3
"""The embedded Python side runs under every Python from 3.8 on, whatever runs this check.

Syntax of a later version is an error of the parser; names that came later stand in the table. Reach
those by getattr or after hasattr in the same line, with something in their place. Silent when all is well.

    tests/lint/python.py [ROOT]
"""

import ast
import pathlib
import sys

OLDEST = (3, 8)
FOLDER = "agent/runner/pytest"
# Attributes and functions by the version that brought them.
LATER = {
    "removeprefix": "3.9", "removesuffix": "3.9", "cache": "3.9", "to_thread": "3.9", "randbytes": "3.9",
    "waitstatus_to_exitcode": "3.9", "is_relative_to": "3.9", "with_stem": "3.9", "pidfd_open": "3.9",
    "orig_argv": "3.10", "bit_count": "3.10", "pairwise": "3.10", "stdlib_module_names": "3.10",
    "aclosing": "3.10", "anext": "3.10", "aiter": "3.10", "hardlink_to": "3.10",
    "add_note": "3.11", "ExceptionGroup": "3.11", "BaseExceptionGroup": "3.11", "TaskGroup": "3.11",
    "batched": "3.12", "is_junction": "3.12", "process_cpu_count": "3.13",
}
LATER_KEYWORDS = {("zip", "strict"): "3.10", ("dataclass", "slots"): "3.10", ("dataclass", "kw_only"): "3.10"}
# An annotation such as list[int] is evaluated when the function is made.
GENERIC = {"list", "dict", "set", "frozenset", "tuple", "type"}


def check(path, text):
    """(line, what is wrong) of one file."""
    try:
        tree = ast.parse(text, str(path), feature_version=OLDEST)
    except SyntaxError as problem:
        return [(problem.lineno or 1, "syntax later than Python %d.%d: %s" % (*OLDEST, problem.msg))]
    found, lines = [], text.splitlines()
    for node in ast.walk(tree):
        name = getattr(node, "attr", None) or getattr(node, "id", None)
        if isinstance(node, ast.Attribute) and name in LATER and "hasattr(" not in lines[node.lineno - 1]:
            found.append((node.lineno, f".{name} is there since Python {LATER[name]}: use getattr"))
        elif isinstance(node, ast.Name) and name in LATER and not _is_own(tree, name):
            found.append((node.lineno, f"{name} is there since Python {LATER[name]}"))
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", None))
            for keyword in node.keywords:
                if (called, keyword.arg) in LATER_KEYWORDS:
                    since = LATER_KEYWORDS[called, keyword.arg]
                    found.append((node.lineno, f"{called}({keyword.arg}=) is there since Python {since}"))
        elif isinstance(node, ast.Subscript) and getattr(node.value, "id", None) in GENERIC:
            found.append((node.lineno, f"{node.value.id}[...] is there since Python 3.9"))
    return sorted(found)


def _is_own(tree, name):
    """Assigned or defined in the file: not the later Python's."""
    return any(isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
               or isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.arg))
               and name == getattr(node, "name", getattr(node, "arg", None)) for node in ast.walk(tree))


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    lines = []
    for path in sorted((root / FOLDER).rglob("*.py")):
        lines += [f"{path.relative_to(root)}:{line}: {why}" for line, why in check(path, path.read_text())]
    print("\n".join(lines), end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
