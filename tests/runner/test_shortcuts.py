"""What a worker does once or not at all comes to the same as what pytest does for each test."""

import glob
import os
import sys
import textwrap
import types
import unittest
import warnings

import _pytest.warnings
from _pytest._code import source

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../agent/runner/pytest"))

from _makespan_runner import filters, statements  # noqa: E402

SAMPLE = '''
    import os

    @first
    @second(1,
            2)
    class Decorated:
        @property
        def method(self):  # a comment
            try:
                return [one for one in
                        range(3)]
            except (OSError,
                    ValueError):
                pass
            else:
                # said

                other()
            finally:

                done()

    for one in os.environ:
        if one:
            pass
        elif two:
            while three:
                four = (lambda: 5 if
                        six else 7)
            else:
                break

    async def last():
        async with one as two:
            pass
        """text

        and more"""

    # the end
'''


class Statements(unittest.TestCase):
    """Of every line of a source."""

    def same(self, text):
        ask, find = source.getstatementrange_ast, source.get_statement_startend2
        remembered, around = statements.remembering(ask, find)
        self.addCleanup(setattr, source, "get_statement_startend2", find)
        source.get_statement_startend2 = around
        whole = source.Source(text)
        tree = lines = None
        for lineno in [*range(len(whole.lines)), 0]:
            tree, *wanted = ask(lineno, whole, astnode=tree)
            found, *first = remembered(lineno, source.Source(text))
            if lines is None and type(found) is statements._Lines:
                lines = found
            again = remembered(lineno, source.Source(text), astnode=lines)[1:]
            self.assertEqual((tuple(wanted),) * 2, (tuple(first), again), lineno)
        self.assertIsNotNone(lines, "nothing came from what was kept")

    def test_of_a_sample(self):
        self.same(textwrap.dedent(SAMPLE))

    def test_of_real_files(self):
        for path in sorted(glob.glob(os.path.join(os.path.dirname(statements.__file__), "r*s.py"))):
            with open(path) as stream:
                self.same(stream.read())

    @unittest.skipIf(sys.version_info < (3, 10), "no match statement")
    def test_of_a_match_statement(self):
        self.same("match one:\n    case 1:\n        two()\n    case [3,\n          4]:\n        five()\n")

    def test_another_text_has_other_statements(self):
        remembered, _around = statements.remembering(source.getstatementrange_ast,
                                                     source.get_statement_startend2)
        self.assertEqual((0, 1), remembered(0, source.Source("one = 1\ntwo = 2\n"))[1:])
        self.assertEqual((0, 2), remembered(0, source.Source("one = [\n2]\n"))[1:])

    def test_what_pytest_sees_otherwise_is_left_to_it(self):
        remembered, _around = statements.remembering(source.getstatementrange_ast, lambda lineno, tree: (7, 8))
        for _twice in range(2):
            self.assertNotIsInstance(remembered(0, source.Source("one = 1\n"))[0], statements._Lines)

    def test_bad_syntax_is_told_each_time(self):
        remembered, _around = statements.remembering(source.getstatementrange_ast,
                                                     source.get_statement_startend2)
        for _twice in range(2):
            with self.assertRaises(SyntaxError):
                remembered(0, source.Source("one = = 1\n"))


class Mark:
    def __init__(self, *args):
        self.name, self.args, self.kwargs = "filterwarnings", args, {}


class Item:
    """As much of a test as is asked, of a configuration and of a hook."""

    nodeid = "test"

    def __init__(self, config, *marks):
        self.config, self.marks, self.told = config, marks, []
        self.pytest_warning_recorded = types.SimpleNamespace(
            call_historic=lambda kwargs: self.told.append((str(kwargs["warning_message"].message),
                                                           kwargs["nodeid"], kwargs["when"])))

    def iter_markers(self, name=None):
        return iter(self.marks)


class Filters(unittest.TestCase):
    """Around each test: what is filtered, what is told, and what is raised."""

    def setUp(self):
        self.addCleanup(setattr, _pytest.warnings, "catch_warnings_for_item",
                        _pytest.warnings.catch_warnings_for_item)
        self.original = _pytest.warnings.catch_warnings_for_item
        self.counted = 0

        def counting(**arguments):
            self.counted += 1
            return self.original(**arguments)

        _pytest.warnings.catch_warnings_for_item = counting
        filters.remember()
        self.lines = ["ignore::FutureWarning"]
        self.config = types.SimpleNamespace(
            getini=lambda name: self.lines,
            known_args_namespace=types.SimpleNamespace(pythonwarnings=["error:bad:UserWarning"]))

    def around(self, catch, item):
        """(filters inside, what was told, what was raised)"""
        raised = None
        before = warnings.filters, warnings.showwarning
        try:
            with catch(config=item.config, ihook=item, when="runtest", item=item):
                inside = list(warnings.filters)
                warnings.warn("one")
                warnings.warn("two", FutureWarning)
                warnings.warn("three", DeprecationWarning)
                warnings.warn("bad")
        except UserWarning as problem:
            raised = str(problem)
        self.assertEqual(before, (warnings.filters, warnings.showwarning))
        told, item.told = item.told, []
        return inside, told, raised

    def same(self, *marks):
        item = Item(self.config, *marks)
        self.assertEqual(self.around(self.original, item),
                         self.around(_pytest.warnings.catch_warnings_for_item, item))

    def test_the_same_is_filtered_told_and_raised(self):
        for marks in ((), (Mark("ignore:one"),), (Mark("error:one", "ignore:three"), Mark("default:two"))) * 2:
            self.same(*marks)

    def test_what_the_filters_are_made_of_may_change(self):
        self.same()
        self.lines.append("ignore:one")
        self.same()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self.same()
        self.same()
        self.config.known_args_namespace.pythonwarnings = None
        self.same()

    def test_they_are_made_once(self):
        item = Item(self.config)
        for _test in range(5):
            with _pytest.warnings.catch_warnings_for_item(config=self.config, ihook=item, when="runtest",
                                                          item=item):
                pass
        self.assertEqual(1, self.counted)

    def test_without_a_test_it_is_pytests_own(self):
        with _pytest.warnings.catch_warnings_for_item(config=self.config, ihook=None, when="config", item=None):
            pass
        self.assertEqual(1, self.counted)


if __name__ == "__main__":
    unittest.main()
