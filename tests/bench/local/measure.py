"""Runs one command and says what it took: wall, CPU of every descendant, peak memory on request."""

import ctypes
import json
import os
import pathlib
import resource
import subprocess
import tempfile
import threading
import time

_PR_SET_CHILD_SUBREAPER = 36
_SAMPLE_SECONDS = 0.1


class Cost:
    """What one run took. pss_mb is None unless memory was asked for."""

    def __init__(self, wall, cpu, status, text, pss_mb=None):
        self.wall = wall
        self.cpu = cpu
        self.status = status
        self.text = text
        self.pss_mb = pss_mb


def run(command, folder, environment, memory=False):
    """Run it to its end. Reading memory costs time, so do not trust the times of such a run.

    In a process between: it adopts what the command leaves behind, and has no other children whose
    CPU time could be mixed in.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            found = _run_here(command, folder, environment, memory)
            with os.fdopen(writing, "w") as pipe:
                json.dump(found, pipe)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        found = json.load(pipe)
    os.waitpid(pid, 0)
    return Cost(**found)


def _run_here(command, folder, environment, memory):
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    peak = Peak(os.getpid()) if memory else None
    output = tempfile.TemporaryFile()
    begin = time.perf_counter()
    child = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                             stdout=output, stderr=subprocess.STDOUT)
    if peak:
        peak.start()
    status = child.wait()
    wall = time.perf_counter() - begin
    if peak:
        peak.stop()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    output.seek(0)
    text = output.read()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "status": status,
            "text": text.decode("utf-8", "replace")[-2000:],
            "pss_mb": peak.highest_mb if peak else None}


class Peak(threading.Thread):
    """The highest sum of the proportional memory of all descendants of a process."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self.root = root
        self.highest_mb = 0.0
        self._over = threading.Event()

    def run(self):
        while not self._over.wait(_SAMPLE_SECONDS):
            total = sum(_pss_kb(pid) for pid in _descendants(self.root))
            self.highest_mb = max(self.highest_mb, total / 1024)

    def stop(self):
        self._over.set()
        self.join()


def _descendants(pid):
    found = []
    try:
        tasks = list(pathlib.Path("/proc/%d/task" % pid).iterdir())
        children = [int(child) for task in tasks
                    for child in (task / "children").read_text().split()]
    except OSError:
        return found
    for child in children:
        found += [child] + _descendants(child)
    return found


def _pss_kb(pid):
    try:
        text = pathlib.Path("/proc/%d/smaps_rollup" % pid).read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
