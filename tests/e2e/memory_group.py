"""memory_group - a control group with a limit of memory, where this machine lets us make one.

    folder = memory_group.make(self, 300 << 20)      skips the test where there is none to be had
    memory_group.inside(folder, [program, ...])      the command that runs it in there

Not for: reading what a group has left (that is the agent's business).
"""

import contextlib
import os
import pathlib
import time


def make(test, limit_bytes):
    """A fresh group below ours, gone when the test ends."""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, place = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        top, limit = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes") if controllers
                      else ("/sys/fs/cgroup", "memory.max"))
        folder = pathlib.Path(top + place) / f"makespan-test-{os.getpid()}"
        with contextlib.suppress(OSError):
            folder.mkdir()
            test.addCleanup(_remove, folder)
            if (folder / limit).exists():
                (folder / limit).write_text(str(limit_bytes))
                return folder
    return test.skipTest("no control group for memory can be made here")


def _remove(folder):
    """The kernel lets a group go when the last of its processes is buried, a moment after its end."""
    for _ in range(200):
        try:
            folder.rmdir()
            return
        except OSError:
            time.sleep(0.05)
    folder.rmdir()


def inside(folder, argv):
    return ["/bin/sh", "-c", f'echo $$ > "{folder}/cgroup.procs"; exec "$@"', "sh", *argv]
