#!/usr/bin/python3
"""rules.py finds what it is there to find: a small tree with one breach of each rule."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

RULES = pathlib.Path(__file__).with_name("rules.py")
HEADER = "/* x.h - a job. Not for: others. */\n#pragma once\n"


class RulesTest(unittest.TestCase):
    def lint(self, files):
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            done = subprocess.run([sys.executable, RULES, root], capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.returncode, 1 if done.stdout else 0)
        return done.stdout

    def test_silent_on_a_clean_tree(self):
        self.assertEqual(self.lint({
            "common/str.h": HEADER,
            "common/str.c": '#include "str.h"\n\n#include <stdio.h>\n/* strcpy(a, b) */\n',
            "agent/x.c": '#include "str.h"\nconst char *s = "system(1)";\n',
            "coordinator/core/a.c": '#include <string.h>\n#include "str.h"\n',
        }), "")

    def test_names_an_include_against_the_arrow(self):
        found = self.lint({"coordinator/service/join.h": HEADER,
                           "coordinator/core/a.c": '\n#include "service/join.h"\n'})
        self.assertEqual(found, "coordinator/core/a.c:2: coordinator/core/ may not know "
                                "coordinator/service/join.h\n")

    def test_agent_and_coordinator_meet_in_common_only(self):
        found = self.lint({"coordinator/core/a.h": HEADER,
                           "agent/x.c": '#include "../coordinator/core/a.h"\n'})
        self.assertIn("agent/ may not know coordinator/core/a.h", found)

    def test_names_a_backend_that_service_knows(self):
        found = self.lint({"coordinator/store/store.h": HEADER, "coordinator/store/store_mem.h": HEADER,
                           "coordinator/service/a.c": '#include "store/store.h"\n#include "store/store_mem.h"\n'})
        self.assertEqual(found.count("\n"), 1)
        self.assertIn("store_mem.h", found)

    def test_main_may_wire_everything(self):
        self.assertEqual(self.lint({"coordinator/store/store_mem.h": HEADER,
                                    "coordinator/main.c": '#include "store/store_mem.h"\n'}), "")

    def test_keeps_pure_layers_pure_and_libraries_at_home(self):
        self.assertIn("is pure", self.lint({"common/plan/a.c": "#include <unistd.h>\n"}))
        self.assertIn("agent/net/transport.c", self.lint({"agent/x.c": "#include <curl/curl.h>\n"}))

    def test_keeps_what_the_parts_of_a_room_share_among_them(self):
        files = {"agent/core/x_inner.h": HEADER, "agent/core/x_more.c": '#include "x_inner.h"\n'}
        self.assertEqual(self.lint(files), "")
        self.assertEqual(self.lint({**files, "agent/core/y.c": '#include "x_inner.h"\n'}),
                         "agent/core/y.c:1: agent/core/x_inner.h is for x_*.c beside it only\n")
        self.assertIn("is for *.c beside it only", self.lint({
            "agent/supervise/inner.h": HEADER, "agent/command/y.c": '#include "supervise/inner.h"\n'}))

    def test_names_banned_calls_but_not_members_or_words_inside_others(self):
        found = self.lint({"agent/x.c": "int a = atoi(s);\nint b = c->time(1) + my_rand(2);\n"})
        self.assertEqual(found, "agent/x.c:1: atoi(): use parse_u32 and its like in str.h\n")

    def test_wants_the_own_header_first(self):
        found = self.lint({"agent/x.h": HEADER, "agent/x.c": '#include <stdio.h>\n#include "x.h"\n'})
        self.assertIn("own header x.h first", found)

    def test_names_shape(self):
        found = self.lint({"agent/x.h": "int x;\n", "agent/y.c": "typedef struct {\n} y;\n// f(1);\n",
                           "agent/z.c": "\n" * 601})
        for why in ("#pragma once", "is the manual", "never a typedef", "code in a comment", "601 lines"):
            self.assertIn(why, found)

    def test_python_of_later_versions_is_named(self):
        """python.py: the Python side runs under Python 3.8."""
        text = ("def f(a: list[int]):\n    return a.removeprefix('x'), zip(a, a, strict=True)\n",
                "match 1:\n    case 1:\n        pass\n")
        for name, code in (("good", "def cache(): pass\ncache()\n"), ("names", text[0]), ("syntax", text[1])):
            with tempfile.TemporaryDirectory() as root:
                folder = pathlib.Path(root, "agent/runner/pytest")
                folder.mkdir(parents=True)
                (folder / "a.py").write_text(code)
                done = subprocess.run([sys.executable, RULES.with_name("python.py"), root],
                                      capture_output=True, text=True)
            found = [line.split(":")[1] for line in done.stdout.splitlines()]
            self.assertEqual(found, {"good": [], "names": ["1", "2", "2"], "syntax": ["3"]}[name], done.stdout)
            self.assertEqual(done.returncode, 1 if found else 0)


if __name__ == "__main__":
    unittest.main()
