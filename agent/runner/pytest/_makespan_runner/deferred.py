"""What stands for a file that is not imported yet, and for its tests (sharded.py)."""

import contextlib

import pytest
from _pytest.runner import collect_one_node

try:
    from _pytest.warnings import catch_warnings_for_item
except ImportError:  # a pytest that has moved it: such warnings are not recorded
    catch_warnings_for_item = None

FROM = "_makespan_deferred"  # attribute of an item: the node that stood for its file


class Deferred(pytest.File):
    """Stands for a module that is not imported, or not yet."""

    sharded = None
    rows = None  # of known tests; None: there is nothing to stand for
    news = ()  # ids that it holds and nobody knew of; told with the next test of it
    _items = None  # id -> items, once it is imported

    def collect(self):
        return self.sharded.walked(self)

    def collect_now(self, session):
        """Import it, and collect what is in it, as if it had come just now."""
        module = self.ihook.pytest_pycollect_makemodule(module_path=self.path, parent=self.parent)
        items = list(session.genitems(module))
        for item in items:
            setattr(item, FROM, self)
        return items

    def stand_ins(self):
        count = {}
        for row in self.rows:
            nodeid, group, flags = row
            k = count[nodeid] = count.get(nodeid, -1) + 1
            stand_in = StandIn.from_parent(self, name=nodeid.rpartition("::")[2], nodeid=nodeid)
            stand_in.makespan_facts, stand_in.k = (group, flags), k
            yield stand_in

    @property
    def is_imported(self):
        return self._items is not None

    def find(self, stand_in):
        """The real test, or the stand-in itself, which fails and says why."""
        if self._items is None:
            self._import()
        items = self._items.get(stand_in.nodeid, ())
        return items[stand_in.k] if stand_in.k < len(items) else stand_in

    def _collect_late(self):
        """All tests of the file, as the suite's plugins leave them."""
        session, items = self.session, []
        module = self.ihook.pytest_pycollect_makemodule(module_path=self.path, parent=self.parent)
        report = collect_one_node(module)
        if not report.passed:
            self.why_gone = str(report.longrepr)
            return []
        for node in report.result:
            items.extend(session.genitems(node))
        self.config.hook.pytest_collection_modifyitems(session=session, config=self.config,
                                                       items=items)
        return items

    def _import(self):
        self._items = {}
        with self._warnings_recorded():
            items = self._collect_late()
        for item in items:
            setattr(item, FROM, self)
            self._items.setdefault(item.nodeid, []).append(item)
        rows = [row[0] for row in self.rows]
        self.news = [nodeid for nodeid, found in self._items.items()
                     if len(found) > rows.count(nodeid)]
        if self.news or any(nodeid not in self._items for nodeid in rows):
            self.sharded.forget()

    def _warnings_recorded(self):
        if catch_warnings_for_item is None or not self.config.pluginmanager.hasplugin("warnings"):
            return contextlib.nullcontext()
        return catch_warnings_for_item(config=self.config, ihook=self.config.hook, when="collect",
                                       item=None)

    why_gone = None


class StandIn(pytest.Item):
    """Stands for a test that is known and not collected yet."""

    makespan_facts = None
    k = 0

    def find(self):
        return self.parent.find(self)

    def found(self):
        """The real test if its file is imported already."""
        return self.find() if self.parent.is_imported else self

    def runtest(self):
        pytest.fail(self.parent.why_gone or (
            "%s held this test when its tests were recorded, and holds it no longer, though the file is"
            " the same. The record is gone: run again." % self.parent.nodeid), pytrace=False)

    def reportinfo(self):
        return self.path, None, self.name


def news_of(item):
    """In a worker: what must be said of tests of this item's file that the run does not know, or None."""
    node = getattr(item, FROM, None)
    if node is None or not node.news:
        return None
    news, node.news = node.news, ()
    return ("%s holds tests that this run does not know, since it took its tests from a record: %s."
            " They did not run. The record is gone: run again." % (node.nodeid, ", ".join(news)))
