"""What stands for a file that is not imported yet, and for its tests (sharded.py)."""

import collections
import contextlib

import pytest
from _pytest.runner import collect_one_node

from . import manifest

try:
    from _pytest.warnings import catch_warnings_for_item
except ImportError:  # a pytest that has moved it: such warnings are not recorded
    catch_warnings_for_item = None

FROM = "_makespan_deferred"  # attribute of an item: the node that stood for its file


class Deferred(pytest.File):
    """Stands for a module that is not imported, or not yet."""

    sharded = None
    rows = None  # of known tests; None: there is nothing to stand for
    _found = ()  # (k, item) that it holds and nobody knew of, and that was not told yet
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
            yield self.stand_in(nodeid, k, (group, flags))

    def stand_in(self, nodeid, k, facts):
        stand_in = StandIn.from_parent(self, name=nodeid.rpartition("::")[2], nodeid=nodeid)
        stand_in.makespan_facts, stand_in.k = facts, k
        return stand_in

    @property
    def is_imported(self):
        return self._items is not None

    def find(self, stand_in):
        """The real test, or the stand-in itself, which fails and says why."""
        if self._items is None:
            self._import()
        items = self._items.get(manifest.id_of(stand_in), ())
        return items[stand_in.k] if stand_in.k < len(items) else stand_in

    def take_found(self):
        """Once: the tests that nobody knew of."""
        found, self._found = self._found, ()
        return found

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
        if self.rows is None:
            return  # its tests were collected with all others: there are no more
        with self._warnings_recorded():
            items = self._collect_late()
        for item in items:
            setattr(item, FROM, self)
            self._items.setdefault(manifest.id_of(item), []).append(item)
        known = collections.Counter(manifest.id_of(stand_in) for stand_in in self.stand_ins())
        self._found = [(k, item) for name, found in self._items.items()
                       for k, item in enumerate(found) if k >= known[name]]
        if self._found or any(name not in self._items for name in known):
            self.sharded.forget()

    def _warnings_recorded(self):
        if catch_warnings_for_item is None or not self.config.pluginmanager.hasplugin("warnings"):
            return contextlib.nullcontext()
        return catch_warnings_for_item(config=self.config, ihook=self.config.hook, when="collect",
                                       item=None)

    why_gone = None  # the import has failed


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
            "%s held this test when its tests were recorded, or on another machine, and does not hold it"
            " here, though the file is the same. The record is gone: run again." % self.parent.nodeid),
            pytrace=False)

    def reportinfo(self):
        return self.path, None, self.name


def take_found(item):
    """The tests of this item's file that nobody knew of, once: (k, item)."""
    node = getattr(item, FROM, item.parent)
    return node.take_found() if isinstance(node, Deferred) else ()
