"""Sharded collection: a machine of several imports only the files whose tests it runs.

Without a coordinator the files themselves are dealt out: each machine computes the same deal, imports its
own files and runs what it finds in them. In a shared run the tests of a file that is as it was when it was
last collected are known (known.py); such a file is imported by the workers that are given one of its tests
(deferred.py), and its ids are checked then. What is not there is an error, and so is what nobody knew of.

All files are first walked past, so that they are known before the first is imported.
"""

import os

import pytest

from . import deal, deferred, known, manifest


def plan_of(config, link):
    """The plugin for this run; None where everything is collected as always."""
    settings = link.settings
    if not settings.get("sharded"):
        return None
    return Sharded(config, settings, _why_whole(config, settings["share_total"], settings["dist"]))


def _why_whole(config, is_dealt, dist):
    """What on the command line needs the whole collection, or None."""
    option = config.option
    for name, text in (("lf", "--lf"), ("failedfirst", "--ff"), ("newfirst", "--nf"),
                       ("stepwise", "--sw"), ("keepduplicates", "--keep-duplicates"),
                       ("doctestmodules", "--doctest-modules")):
        if getattr(option, name, False):
            return text
    if dist == "each":
        return "--dist each"
    if any("::" in str(arg) for arg in config.args):
        return "tests named by id"
    if is_dealt:
        # Nobody would see that a selection selects nothing anywhere.
        for name, text in (("keyword", "-k"), ("markexpr", "-m"), ("deselect", "--deselect")):
            if getattr(option, name, None):
                return text
    return None


class Sharded:
    """Registered while collecting; afterwards the workers find late files through it."""

    def __init__(self, config, settings, why_whole):
        self.why_whole = why_whole
        self._config = config
        self._settings = settings
        self._is_dealt = bool(settings["share_total"])
        self._known = None if self._is_dealt else known.Known(
            config, settings["known_ids"], settings["distributions"])
        self._files = self._mine = 0
        self._digest = None
        self._walking = why_whole is None
        self._session = None
        self._deferred = []
        self._failed = False

    def note(self):
        """A line for people, when all is collected."""
        if self.why_whole is not None:
            return "makespan: %s needs the whole collection: every file was imported" % self.why_whole
        late = sum(node.rows is not None for node in self._deferred)
        if self._is_dealt:
            return "makespan: %d of %d files are this machine's, deal %s" % (
                self._mine, self._files, self._digest)
        if not late:
            return "makespan: no file is known from an earlier run: all were imported, and recorded"
        return "makespan: %d of %d files are known: each is imported where a test of it runs" % (
            late, len(self._deferred))

    # While collecting.

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session):
        self._session = session
        if self._is_dealt and self.why_whole is not None:
            raise pytest.UsageError("makespan: --sharded-collection deals out files without looking into them,"
                                    " so it cannot go with %s: leave one of them out" % self.why_whole)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(self, module_path, parent):
        if not self._walking or module_path.name == "__init__.py":
            return None
        node = deferred.Deferred.from_parent(parent, path=module_path)
        node.sharded = self
        return node

    def walked(self, node):
        self._deferred.append(node)
        return []

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, session, items):
        if not self._walking:
            yield
            return
        self._walking = False
        before = session.testsfailed
        if self._is_dealt:
            self._keep_share(session, items)
        else:
            self._keep_unknown(session, items)
        yield
        self._failed = session.testsfailed != before

    def _keep_share(self, session, items):
        settings = self._settings
        names = {self._name(node) for node in self._deferred} | {self._name(item) for item in items}
        costs = deal.costs_us(names, str(self._config.rootpath), settings["share_durations"])
        mine = deal.share(costs, settings["share_index"], settings["share_total"])
        self._files, self._mine, self._digest = len(names), len(mine), deal.digest(costs)
        items[:] = [item for item in items if self._name(item) in mine]
        for node in self._deferred:
            if self._name(node) in mine:
                items.extend(node.collect_now(session))

    def _name(self, node):
        return os.path.relpath(str(node.path), str(self._config.rootpath))

    def _keep_unknown(self, session, items):
        """One known file is imported nevertheless: it brings what all workers need, before the fork."""
        bring = True
        for node in self._deferred:
            rows = self._known.tests_of(node.path)
            if rows is None or bring:
                bring = rows is None and bring
                items.extend(node.collect_now(session))
            else:
                node.rows = rows

    # When all is collected.

    def whole(self, items):
        """All tests, those of known files among them, in the order of the files."""
        if self.why_whole is not None or self._is_dealt:
            return items
        found, others = {}, []
        for item in items:
            node = getattr(item, deferred.FROM, None)
            (others if node is None else found.setdefault(node, [])).append(item)
        if not self._failed:
            self._learn(found)
        late = [node for node in self._deferred if node.rows is not None]
        if not late:
            return items
        found.update((node, node.stand_ins()) for node in late)
        return others + [item for node in self._deferred for item in found.get(node, ())]

    def _learn(self, found):
        try:
            for node, own in found.items():
                self._known.learn(node.path, [[item.nodeid, *manifest.facts_of(item)]
                                              for item in own])
        except pytest.UsageError:
            return  # a mark that makes no sense: the manifest will say so
        self._known.save()

    def stand_in(self, name, k):
        """For a test that a machine has found late, as it will be found in its file here."""
        nodeid = name.decode()
        file = nodeid.partition("::")[0]
        for node in self._deferred:
            if node.nodeid == file:
                break
        else:
            node = deferred.Deferred.from_parent(self._session, path=self._config.rootpath / file)
        return node.stand_in(nodeid, k, ("", ""))

    def forget(self):
        self._known.forget()
