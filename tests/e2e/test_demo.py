"""script/demo as a newcomer runs it, and its merged JUnit file against plain pytest, run serially."""

import os
import pathlib
import re
import subprocess
import unittest

import harness


class DemoTest(harness.TestCase):
    def test_prints_what_it_promises_and_equals_serial(self):
        env = harness.clean_environ(MAKESPAN_DEMO_BUILD=harness.BUILD)
        demo = self._keep(harness.Process("script/demo", [harness.ROOT / "script" / "demo"], env, self.folder))
        self.assertEqual(demo.wait(480), 0, demo.output)
        for word, count in (("wall time", 2), ("makespan  ", 2), ("lower bound", 2), ("ratio", 2),
                            ("complete: every collected test has exactly one verdict", 2)):
            self.assertEqual(sum(line.startswith(word) for line in demo.lines), count, demo.output)
        tests = [line for line in demo.lines if line.startswith("tests")]
        self.assertEqual(len(set(tests)), 1, "both runs count the same outcomes")
        self.assertGreater(sum(int(count) for count in re.findall(r"\d+", tests[0])), 5000)
        files = [pathlib.Path(line.split()[-1]) for line in demo.lines if line.startswith("merged JUnit")]
        serial_xml = self.folder / "serial.xml"
        status, output = self.serial("-q", "-p", "no:xdist", "--pyargs", "networkx", f"--junit-xml={serial_xml}")
        self.assertEqual(status, 0, output[-2000:])
        for file in files:
            self.assert_same_junit(serial_xml, file)
        left = subprocess.run(["ps", "-e", "-o", "args"], capture_output=True, text=True).stdout
        self.assertNotIn(os.fspath(harness.MAKESPAND) + " --data " + str(self.folder), left)


if __name__ == "__main__":
    unittest.main(verbosity=2)
