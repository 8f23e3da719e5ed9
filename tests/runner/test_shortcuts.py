"""What a worker does once or not at all comes to the same as what pytest does for each test."""

import contextlib
import gc
import glob
import inspect
import io
import os
import sys
import tempfile
import textwrap
import types
import unittest
import warnings

import _pytest.fixtures
import _pytest.warnings
import pytest
from _pytest._code import source

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../agent/runner/pytest"))

from _makespan_runner import filters, garbage, manifest, shortcuts, statements  # noqa: E402

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


class Collected(unittest.TestCase):
    """What is asked of each test of a collection."""

    WIDE = """
        import pytest

        @pytest.fixture(scope="module", params=[1, 2])
        def wide(request):
            return request.param

        def test_one(wide):
            pass

        def test_two(wide):
            pass
    """
    PLAIN = """
        import pytest

        @pytest.mark.parametrize("one", [1, 2])
        @pytest.mark.parametrize("two", [1, 2])
        def test_many(one, two):
            pass

        def test_one():
            pass
    """
    MARKED = """
        import pytest

        @pytest.mark.xdist_group("ours")
        class TestGroup:
            def test_one(self):
                pass

            @pytest.mark.makespan(serial=True)
            def test_two(self):
                pass

        @pytest.mark.timeout(3)
        def test_limited():
            pass

        @pytest.mark.forked
        @pytest.mark.slow
        def test_forked():
            pass

        @pytest.fixture
        def benchmark():
            pass

        def test_measures(benchmark):
            pass

        @pytest.mark.slow
        def test_plain():
            pass
    """

    def collect(self, *sources):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for number, text in enumerate(sources):
            with open(os.path.join(folder.name, "test_%s_%d.py" % (self.id().split(".")[-1], number)), "w") as stream:
                stream.write(textwrap.dedent(text))
        kept = types.SimpleNamespace(items=None)

        class Keep:
            @pytest.hookimpl(tryfirst=True)
            def pytest_collection_modifyitems(self, items):
                kept.items = list(items)

        with contextlib.redirect_stdout(io.StringIO()):
            pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:timeout", "-p", "no:benchmark",
                         "--rootdir", folder.name, folder.name], plugins=[Keep()])
        return kept.items

    def reordered(self, items):
        original = _pytest.fixtures.reorder_items
        self.addCleanup(setattr, _pytest.fixtures, "reorder_items", original)
        calls = []

        def counted(items):
            calls.append(items)
            return original(items)

        _pytest.fixtures.reorder_items = counted
        shortcuts._leave_order_that_nothing_changes()
        self.assertEqual(_pytest.fixtures.reorder_items(items), original(items))
        return len(calls)

    def test_tests_without_wide_parameters_stay_where_they_are_and_pytest_is_not_asked(self):
        self.assertEqual(self.reordered(self.collect(self.PLAIN)), 0)

    def test_tests_that_share_a_wide_parameter_are_brought_together(self):
        self.assertEqual(self.reordered(self.collect(self.PLAIN, self.WIDE)), 1)

    def test_a_test_that_is_there_twice_is_pytests_to_sort_out(self):
        self.assertEqual(self.reordered(self.collect(self.PLAIN) * 2), 1)

    def test_a_plain_test_has_neither_group_nor_flags(self):
        items = self.collect(self.MARKED)
        plain = manifest.Plain(items[0].config)
        found = {item.name for item in items if plain.is_one(item)}
        self.assertEqual(found, {"test_plain"})
        for item in self.collect(self.PLAIN):
            self.assertTrue(plain.is_one(item))
            self.assertEqual(manifest.facts_of(item), ("", ""))


class Request(unittest.TestCase):
    """The fixture of this name."""

    SUITE = """
        import pytest

        @pytest.fixture(scope="module")
        def wide(request):
            return request.scope, request.node.name

        @pytest.fixture(params=[1, 2])
        def narrow(request, wide):
            return request.param, request.scope

        class TestOne:
            def setup_method(self):
                self.is_set_up = True

            def test_one(self, narrow, request, wide):
                assert narrow == (request.node.callspec.params["narrow"], "function")
                assert wide == ("module", request.module.__name__ + ".py")
                assert request.getfixturevalue("request") is request
                assert request.instance is self and self.is_set_up
    """

    def test_is_there_for_whom_asks_and_is_not_looked_for(self):
        request, manager = _pytest.fixtures.FixtureRequest, _pytest.fixtures.FixtureManager
        for of, name in ((request, "_get_active_fixturedef"), (manager, "getfixturedefs")):
            self.addCleanup(setattr, of, name, getattr(of, name))
        looked_for, original = [], manager.getfixturedefs

        def getfixturedefs(self, argname, node):
            looked_for.append(argname)
            return original(self, argname, node)

        class Begin:
            @pytest.hookimpl(tryfirst=True)
            def pytest_runtestloop(self):
                shortcuts._know_request_at_once()
                manager.getfixturedefs = getfixturedefs

        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as shown:
            with open(os.path.join(folder, "test_request.py"), "w") as stream:
                stream.write(textwrap.dedent(self.SUITE))
            status = pytest.main(["-p", "no:cacheprovider", "--rootdir", folder, folder], plugins=[Begin()])
        self.assertIn("2 passed", shown.getvalue())
        self.assertEqual((status, looked_for), (0, []))


class Frames(unittest.TestCase):
    """Those at the bottom of a stack that are of no module."""

    def know(self, name):
        self.addCleanup(inspect.modulesbyfile.pop, name, None)
        exec(compile("know()", name, "exec"), {"know": shortcuts._know_frames_of_no_module})
        return inspect.modulesbyfile.get(name)

    def test_are_known_to_have_none(self):
        self.assertEqual(self.know("<nowhere>"), "")

    def test_are_left_to_inspect_if_a_module_says_that_they_are_its_own(self):
        sys.modules["odd"] = module = types.ModuleType("odd")
        self.addCleanup(sys.modules.pop, "odd")
        module.__file__ = "<odd>"
        self.assertIsNone(self.know("<odd>"))


class Patience(unittest.TestCase):
    """The collector's thresholds."""

    def setUp(self):
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        gc.set_threshold(700, 10, 10)

    def test_are_larger_for_a_while(self):
        patience = garbage.Patience()
        self.assertGreater(gc.get_threshold()[0], 700)
        patience.over()
        self.assertEqual(gc.get_threshold(), (700, 10, 10))

    def test_of_a_suite_stay(self):
        patience = garbage.Patience()
        gc.set_threshold(5000, 10, 10)
        patience.over()
        self.assertEqual(gc.get_threshold(), (5000, 10, 10))

    def test_that_are_off_stay_off(self):
        gc.set_threshold(0)
        patience = garbage.Patience()
        self.assertEqual(gc.get_threshold()[0], 0)
        patience.over()
        self.assertEqual(gc.get_threshold()[0], 0)


if __name__ == "__main__":
    unittest.main()
