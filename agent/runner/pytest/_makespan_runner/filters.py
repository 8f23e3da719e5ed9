"""The filters of warnings that pytest sets up anew for each test, from the configuration and from marks.

What they come to is remembered. All else is pytest's own: what was warned of is handed to it.
"""

import sys
import warnings

import _pytest.warnings


def remember():
    original = getattr(_pytest.warnings, "catch_warnings_for_item", None)
    if original is None or getattr(sys.flags, "context_aware_warnings", False):
        return
    known = {}

    def catch_warnings_for_item(config, ihook, when, item, **more):
        if item is None or more:
            return original(config=config, ihook=ihook, when=when, item=item, **more)
        return _Caught(known, original, {"config": config, "ihook": ihook, "when": when, "item": item})

    _pytest.warnings.catch_warnings_for_item = catch_warnings_for_item


class _Caught:
    """In place of pytest's context manager, around a test."""

    def __init__(self, known, original, arguments):
        self._known = known
        self._original = original
        self._arguments = arguments
        self._catching = None
        self._log = None

    def __enter__(self):
        arguments = self._arguments
        key = tuple([mark.args for mark in arguments["item"].iter_markers("filterwarnings")])
        made_of = _made_of(arguments["config"])
        known = self._known.get(key)
        if known is None or known[0] != made_of:
            made_of = [list(part) for part in made_of]  # as they are now
            with self._original(**arguments):
                known = self._known[key] = made_of, list(warnings.filters)
        self._catching = warnings.catch_warnings(record=True)
        self._log = self._catching.__enter__()
        warnings.filters[:] = known[1]

    def __exit__(self, *raised):
        self._catching.__exit__(*raised)
        if not self._log:
            return None
        telling = self._original(**self._arguments)
        telling.__enter__()
        for message in self._log:
            warnings._showwarnmsg_impl(message)  # while they are recorded, this is their list's append
        return telling.__exit__(*raised)


def _made_of(config):
    """All that pytest makes the filters of, beside marks."""
    return [warnings.filters, config.getini("filterwarnings"),
            config.known_args_namespace.pythonwarnings or [], sys.warnoptions]
