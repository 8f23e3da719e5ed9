"""The suites of the bench: real ones, out of Debian packages, and one made of nothing.

    suites.py FOLDER        bring them there (needs apt, dpkg, git and the network; no root)

What is taken of a suite takes about ten seconds in a serial run (networkx: over a minute), so that the
bench ends within a quarter of an hour.
"""

import pathlib
import shlex
import subprocess
import sys
import tarfile

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SQLALCHEMY = "https://github.com/sqlalchemy/sqlalchemy"


class Suite:
    """Where a suite lives, how pytest is called on it, and where it comes from.

    packages: Debian packages unpacked into its own `site`; source: a Debian source package, or a
    repository and a tag, unpacked into `src`; waits: its tests mostly wait for something; fastest: by
    number of workers, the mode of xdist that was fastest when all were compared last; is_long: one
    mode is enough.
    """

    def __init__(self, name, folder, arguments, packages=(), source=None, waits=False, fastest=None,
                 is_long=False):
        self.name = name
        self.folder = folder
        self.arguments = shlex.split(arguments)
        self.packages = ["python3-" + package for package in packages]
        self.source = source
        self.waits = waits
        self.fastest = fastest or {}
        self.is_long = is_long
        self.computes = not waits and name != "empty"

    def where(self, root):
        return root / self.name / self.folder

    def python_path(self, root):
        return str(root / self.name / "site")


SUITES = [
    # As numpy.test() does, without the tests marked slow.
    Suite("numpy", "site/numpy/core",
          "tests/test_umath.py tests/test_scalarmath.py tests/test_indexing.py"
          " tests/test_datetime.py tests/test_casting_unittests.py tests/test_array_coercion.py"
          " -m 'not slow'",
          ["numpy", "hypothesis", "sortedcontainers", "attr"], fastest={2: "loadscope", 4: "load"}),
    Suite("pandas", "site/pandas", "tests/series/methods",
          ["pandas", "pandas-lib", "tz", "dateutil", "hypothesis", "sortedcontainers", "attr"],
          fastest={2: "load", 4: "loadscope"}),
    Suite("sqlalchemy", "src",
          "test/orm/test_mapper.py test/orm/test_query.py test/orm/test_eager_relations.py",
          ["sqlalchemy", "sqlalchemy-ext", "greenlet"], (SQLALCHEMY, "rel_1_4_46"),
          fastest={2: "loadscope", 4: "loadscope"}),
    Suite("jinja2", "src", "tests", ["jinja2", "markupsafe"], "jinja2",
          fastest={2: "loadscope", 4: "loadscope"}),
    Suite("tornado", "site", "tornado/test", ["tornado"], waits=True,
          fastest={2: "loadscope", 4: "load"}),
    Suite("empty", "src", ".", fastest={2: "load", 4: "loadfile"}),
    # The whole of it; of the three modes of xdist loadfile was the fastest.
    Suite("networkx", "site/networkx", ".", ["networkx"], is_long=True),
]
EMPTY_TESTS = 10000
EMPTY_FILES = 20


def main(root):
    root.mkdir(parents=True, exist_ok=True)
    apt = Apt(root / "apt")
    for suite in SUITES:
        folder = root / suite.name
        if (folder / "done").exists():
            continue
        print("suites: %s" % suite.name, flush=True)
        folder.mkdir(exist_ok=True)
        for package in suite.packages:
            apt.unpack_package(package, folder)
        if (folder / "src").exists():
            pass  # brought by hand, where the network has no way to it
        elif isinstance(suite.source, str):
            apt.unpack_source(suite.source, folder / "src")
        elif suite.source:
            unpack_tag(*suite.source, folder / "src", ["test", "setup.cfg"])
        if suite.name == "sqlalchemy":
            (folder / "src/lib").symlink_to("../site")
        elif suite.name == "empty":
            write_empty(folder / "src")
        (folder / "done").touch()


class Apt:
    """apt with lists and a cache of its own: nothing is installed, nothing of the system changes."""

    def __init__(self, folder):
        self.folder = folder
        self.ready = False

    def run(self, *arguments):
        options = {"Dir::Etc::sourcelist": self.folder / "sources.list",
                   "Dir::Etc::sourceparts": "-", "Dir::State::lists": self.folder / "lists",
                   "Dir::Cache": self.folder / "cache", "Acquire::Retries": "3"}
        if not self.ready:
            self.ready = True
            for needed in ("lists/partial", "cache/archives/partial"):
                (self.folder / needed).mkdir(parents=True, exist_ok=True)
            (self.folder / "sources.list").write_text("".join(
                "%s [signed-by=%s] %s\n" % (kind, KEYRING, mirror()) for kind in ("deb", "deb-src")))
            self.run("update")
        subprocess.run(["apt-get", "-qq"] + ["-o%s=%s" % pair for pair in options.items()]
                       + list(arguments), check=True, cwd=self.folder)

    def unpack_package(self, package, folder):
        if not list(self.folder.glob(package + "_*.deb")):
            self.run("download", package)
        unpacked = folder / "unpacked"
        deb = list(self.folder.glob(package + "_*.deb"))[0]
        subprocess.run(["dpkg", "-x", deb, unpacked], check=True)
        subprocess.run(["cp", "-rT", unpacked / "usr/lib/python3/dist-packages", folder / "site"],
                       check=True)
        subprocess.run(["rm", "-rf", unpacked], check=True)

    def unpack_source(self, package, folder):
        self.run("source", "--download-only", package)
        unpack_tar(next(self.folder.glob(package + "_*.orig.tar.*")), folder)


def mirror():
    """Where this machine's own packages come from: "URI release main"."""
    lines = subprocess.run(["apt-get", "indextargets", "--format",
                            "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
                           check=True, capture_output=True, text=True).stdout.splitlines()
    plain = sorted(line for line in lines if line.endswith(" main") and "-" not in line.split()[1])
    return plain[0]


def unpack_tar(path, folder):
    """A release's archive, without the folder that its files are in."""
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            member.name = member.name.partition("/")[2]
            if member.name:
                archive.extract(member, folder)


def unpack_tag(repository, tag, folder, wanted):
    subprocess.run(["git", "clone", "-q", "--depth=1", "--branch", tag, repository, folder],
                   check=True)
    for path in folder.iterdir():
        if path.name not in wanted:
            subprocess.run(["rm", "-rf", path], check=True)


def write_empty(folder):
    folder.mkdir()
    for number in range(EMPTY_FILES):
        tests = ("def test_%d():\n    pass\n" % test
                 for test in range(EMPTY_TESTS // EMPTY_FILES))
        (folder / ("test_empty_%02d.py" % number)).write_text("\n\n".join(tests))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
