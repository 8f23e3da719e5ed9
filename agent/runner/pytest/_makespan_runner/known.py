"""Which tests a file held when it was last collected, kept from run to run.

What is known of a file holds as long as its text, the conftests and packages above it, the command, the
ini-file, the interpreter and all installed distributions are the same. What else a file's ids depend on
(the code under test, the environment) nobody can tell from here; so who runs a test of a file checks them.
"""

import contextlib
import hashlib
import json
import os
import platform
import sys

_VERSION = 1
_BYTES_MAX = 256 * 1024 * 1024


class Known:
    """The record of one command in one folder: {file: [digest, [[id, group, flags], ...]]}."""

    def __init__(self, config, path, distributions):
        self._root = str(config.rootpath)
        self._path = path
        self._around = {}  # folder -> digest of the conftests and packages from the root to it
        self._key = _digest(
            _VERSION, sys.version, platform.platform(), distributions,
            without_reports(config.invocation_params.args),
            os.path.relpath(str(config.invocation_params.dir), self._root),
            os.environ.get("PYTEST_ADDOPTS"), _content(config.inipath))
        self._files = self._load()
        self._new = {}

    def _load(self):
        try:
            if os.path.getsize(self._path) > _BYTES_MAX:
                return {}
            with open(self._path, encoding="utf-8") as stream:
                told = json.load(stream)
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(told, dict) or told.get("key") != self._key:
            return {}
        files = told.get("files")
        return files if isinstance(files, dict) and all(map(_is_sound, files.values())) else {}

    def tests_of(self, path):
        """The rows of a file that is as it was, or None. A file without tests is never known: nobody
        would run one of its tests, and see that it holds some now."""
        name = self._name(path)
        digest, rows = self._files.get(name, (None, None))
        if not rows or digest != self._digest_of(path):
            return None
        self._new[name] = [digest, rows]
        return rows

    def learn(self, path, rows):
        self._new[self._name(path)] = [self._digest_of(path), rows]

    def save(self):
        """Replace the file, by what this collection has seen."""
        beside = "%s.%d" % (self._path, os.getpid())
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            with open(beside, "w", encoding="utf-8", errors="surrogatepass") as stream:
                json.dump({"key": self._key, "files": self._new}, stream, separators=(",", ":"))
            os.replace(beside, self._path)
        except (OSError, ValueError):
            self.forget(beside)

    def forget(self, path=None):
        """It was wrong: the next run collects everything."""
        with contextlib.suppress(OSError):
            os.unlink(path or self._path)

    def _name(self, path):
        return os.path.relpath(str(path), self._root)

    def _digest_of(self, path):
        return _digest(_content(path), self._above(os.path.dirname(str(path))))

    def _above(self, folder):
        found = self._around.get(folder)
        if found is None:
            parent = os.path.dirname(folder)
            rest = "" if folder in (self._root, parent) else self._above(parent)
            found = self._around[folder] = _digest(
                rest, _content(os.path.join(folder, "conftest.py")),
                _content(os.path.join(folder, "__init__.py")))
        return found


# Options that say how a run is shown or kept; they often differ from machine to machine.
_REPORTS = ("--junitxml", "--junit-xml", "--junit-prefix", "--html", "--css", "--report-log", "--alluredir",
            "--json-report-file", "--cov-report", "--basetemp", "--log-file", "--durations", "--durations-min",
            "--tb", "--color", "--verbosity", "--numprocesses", "-n", "--maxfail", "-r")
_FLAGS = ("-v", "-vv", "-vvv", "-q", "-qq", "-x", "-l", "--exitfirst", "--showlocals", "--verbose", "--quiet")


def without_reports(args):
    """The words of a command line that have a say in what is collected."""
    kept, words = [], iter(args)
    for word in words:
        name, equals, _value = word.partition("=")
        if name in _REPORTS and not equals:
            next(words, None)  # its value
        elif name not in _REPORTS and word not in _FLAGS and not _is_short(word):
            kept.append(word)
    return kept


def _is_short(word):
    """-rA, -n4: a short option with its value."""
    return word.startswith(("-r", "-n")) and not word.startswith("--")


def _is_sound(entry):
    """[digest, [[id, group, flags], ...]], all of texts."""
    return (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], list)
            and all(isinstance(row, list) and len(row) == 3
                    and all(isinstance(text, str) for text in row) for row in entry[1]))


def _content(path):
    """The digest of a file; None if there is none."""
    try:
        with open(path, "rb") as stream:
            return hashlib.sha256(stream.read()).hexdigest()
    except (OSError, TypeError):
        return None


def _digest(*parts):
    return hashlib.sha256(repr(parts).encode("utf-8", "backslashreplace")).hexdigest()[:32]
