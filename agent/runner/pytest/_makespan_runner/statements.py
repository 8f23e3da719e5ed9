"""Where the statements of a source begin, which pytest asks for each entry of each traceback.

It parses the whole file for that and walks all of its tree: milliseconds, again for the next test that
fails, even as expected. The lines are kept, not the tree, which takes megabytes.
"""

import bisect
import hashlib

import _pytest._code.code
import _pytest._code.source


def remember():
    code, source = _pytest._code.code, _pytest._code.source
    ask, find = getattr(code, "getstatementrange_ast", None), getattr(source, "get_statement_startend2", None)
    if ask is not None and find is not None:
        code.getstatementrange_ast, source.get_statement_startend2 = remembering(ask, find)


class _Lines(list):
    """Stands for a tree where pytest asks it for a statement."""


def remembering(ask, find):
    """What stands for pytest's getstatementrange_ast and get_statement_startend2."""
    known = {}  # digest of a source -> _Lines; None where pytest finds something else in it

    def getstatementrange_ast(lineno, source, assertion=False, astnode=None):
        lines = astnode
        if astnode is None:
            digest = hashlib.blake2b("\n".join(source.lines).encode("utf-8", "surrogatepass")).digest()
            lines = known.get(digest)
        if lines is not None and not _is_before(lineno, lines):
            return ask(lineno, source, assertion, lines)
        tree, start, end = ask(lineno, source, assertion)
        if lines is None and digest not in known:
            lines = _lines_of(tree)
            if not _is_before(lineno, lines):
                known[digest] = lines if _around(lineno, lines) == find(lineno, tree) else None
        return tree, start, end

    def get_statement_startend2(lineno, node):
        return _around(lineno, node) if type(node) is _Lines else find(lineno, node)

    return getstatementrange_ast, get_statement_startend2


def _lines_of(tree):
    """Counted from 0, sorted; the parts after else and finally count as statements, and so do decorators."""
    lines, todo = [], list(tree.body)
    while todo:
        node = todo.pop()
        if hasattr(node, "lineno"):  # a case of match has none
            lines.append(node.lineno - 1)
        lines.extend(decorator.lineno - 1 for decorator in getattr(node, "decorator_list", ()))
        for name in ("body", "handlers", "cases"):
            todo.extend(getattr(node, name, ()))
        for name in ("orelse", "finalbody"):
            part = getattr(node, name, ())
            todo.extend(part)
            lines.extend(statement.lineno - 2 for statement in part[:1])
    return _Lines(sorted(lines))


def _is_before(lineno, lines):
    """Above the first statement each pytest has an answer of its own."""
    return type(lines) is _Lines and (not lines or lineno < lines[0])


def _around(lineno, lines):
    """The statement that holds this line: where it begins, and where the next one does."""
    after = bisect.bisect_right(lines, lineno)
    return lines[after - 1], lines[after] if after < len(lines) else None
