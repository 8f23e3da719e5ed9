"""pythons - the tests of the Python side under the other interpreters of this machine.

    python3 tests/runner/pythons.py [--all]

The oldest and the newest supported python3.N, on PATH or of pyenv, that are not the system's own
run test_deal and test_fork; with --all every one of them runs all tests here. They get pytest from
the system's packages, which are plain Python, and what an older one needs besides from the
packages that tests/plugins/unpack has unpacked.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PLUGINS = pathlib.Path(os.environ.get("MAKESPAN_PLUGINS", HERE.parents[1] / "build" / "plugins"))
SYSTEM = pathlib.Path("/usr/lib/python3/dist-packages")

SUPPORTED = range(8, 14)  # of python3.N
BROUGHT = r"_?pytest|py(\.py)?|pluggy|iniconfig|packaging|attrs?|execnet|xdist"
BACKPORTS = ("exceptiongroup", "tomli")  # of Python 3.11
QUICK, ALL = ("deal", "fork"), ("deal", "reports", "fork", "same_as_serial")


def interpreters():
    """Paths of the supported interpreters that really start, oldest first; the system's left out."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv")) / "versions"
    found = []
    for minor in SUPPORTED:
        name = f"python3.{minor}"
        for candidate in [name, *sorted(pyenv.glob(f"3.{minor}.*/bin/python"))]:
            asked = subprocess.run(["/usr/bin/env", candidate, "-c", "import sys; print(sys.executable)"],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
            if asked.returncode == 0 and not asked.stdout.startswith("/usr/bin/"):
                found.append(asked.stdout.strip())
                break
    return found


def bring(site):
    """Fills the folder site with links to pytest and what it needs."""
    for entry in SYSTEM.iterdir():
        if re.fullmatch(rf"({BROUGHT})(-.*)?", entry.name) or entry.name.startswith("pytest_xdist-"):
            (site / entry.name).symlink_to(entry)
    for name in BACKPORTS:
        for entry in (PLUGINS / f"python3-{name}").glob("usr/lib/python3/dist-packages/*"):
            (site / entry.name).symlink_to(entry)


def run(path, tests, site):
    """True if the tests passed under the interpreter at path."""
    passed = True
    for name in tests:
        print(f"== {path} test_{name}", flush=True)
        done = subprocess.run([path, "-B", f"test_{name}.py"], cwd=HERE,
                              env={**os.environ, "PYTHONPATH": str(site)})
        passed = passed and done.returncode == 0
    return passed


def main():
    found = interpreters()
    if not found:
        print("skipped: no supported python3.N besides the system's, on PATH or of pyenv")
        sys.exit(77)
    if not all((PLUGINS / f"python3-{name}").is_dir() for name in BACKPORTS):
        print(f"skipped: {PLUGINS} lacks what older interpreters need; tests/plugins/unpack brings it")
        sys.exit(77)
    every = "--all" in sys.argv[1:]
    chosen = found if every else sorted({found[0], found[-1]}, key=found.index)
    with tempfile.TemporaryDirectory(prefix="pythons-") as folder:
        site = pathlib.Path(folder)
        bring(site)
        passed = [run(path, ALL if every else QUICK, site) for path in chosen]
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
