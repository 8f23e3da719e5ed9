"""Exclusive time of set-up and teardown of fixtures that outlive one test.

Fixtures nest: a module fixture that asks for a session fixture must not be charged for it. So times
are kept on a stack, and a finished inner one is taken off the outer one.
"""

from _pytest.fixtures import FixtureDef
from _pytest.scope import Scope

from . import frames, stopwatch

# Below this nobody plans differently, and a frame would cost more than it tells.
_WORTH_TELLING_US = 50

# Asked twice a fixture and test; pytest's own `scope`, a word, is a property behind a property.
_FUNCTION = Scope.Function


class FixtureClock:
    """on_scope(kind, base_id, microseconds, which) is told of each wider fixture."""

    def __init__(self, on_scope):
        self._on_scope = on_scope
        self._inner = []  # one number a running fixture: seconds spent in fixtures inside it
        self.wide_seconds = 0.0  # exclusive time of all wider fixtures so far
        self._owners = {}  # id of FixtureDef -> base id of its scope
        self.fresh = None  # a list, to be told what is set up from now on: (fixturedef, request)
        self._wrap_execute()
        self._wrap_finish()

    def _wrap_execute(self):
        """Not a hook, which would be called for each fixture of each test. The result of a set-up is new."""
        original = getattr(FixtureDef, "execute", None)
        if original is None:
            return
        clock = self

        def execute(self, request):
            if self._scope is _FUNCTION:
                return original(self, request)
            before = self.cached_result
            begin = clock._enter()
            try:
                return original(self, request)
            finally:
                exclusive = clock._leave(begin)
                if self.cached_result is not before:
                    clock._set_up(self, request, exclusive)

        FixtureDef.execute = execute

    def _set_up(self, fixturedef, request, exclusive):
        base_id = self._owners[id(fixturedef)] = getattr(request.node, "nodeid", "")
        if self.fresh is not None:
            self.fresh.append((fixturedef, request))
        self._tell(fixturedef, base_id, exclusive, frames.SCOPE_SETUP)

    def _enter(self):
        self._inner.append(0.0)
        return stopwatch.seconds()

    def _leave(self, begin):
        """Seconds since then, without those of fixtures inside."""
        elapsed = stopwatch.seconds() - begin
        exclusive = max(0.0, elapsed - self._inner.pop())
        if self._inner:
            self._inner[-1] += elapsed
        self.wide_seconds += exclusive
        return exclusive

    def _tell(self, fixturedef, base_id, exclusive, which):
        exclusive_us = int(exclusive * 1e6)
        if exclusive_us >= _WORTH_TELLING_US:
            self._on_scope(fixturedef.scope, base_id, exclusive_us, which)

    def _wrap_finish(self):
        """pytest has no hook that comes before a fixture's teardown, so time FixtureDef.finish."""
        original = getattr(FixtureDef, "finish", None)
        if original is None:
            return
        clock = self

        def finish(self, *args, **kwargs):
            if self._scope is _FUNCTION or not getattr(self, "_finalizers", None):
                return original(self, *args, **kwargs)
            begin = clock._enter()
            try:
                return original(self, *args, **kwargs)
            finally:
                owner = clock._owners.get(id(self), "")
                clock._tell(self, owner, clock._leave(begin), frames.SCOPE_TEARDOWN)

        FixtureDef.finish = finish
