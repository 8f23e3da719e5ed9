import atexit
import os
import random
import sys
import tempfile
import time
import uuid

import conftest
import pytest

AT_IMPORT = os.getpid()


def note(name, value):
    with open(os.environ["NOTES"], "a") as stream:
        stream.write("%s %s %s\n" % (os.environ.get("PYTEST_XDIST_WORKER", "serial"), name, value))


@pytest.mark.parametrize("turn", range(4))
def test_seed_of_the_suite_holds(turn, seeded):
    note("seeded", random.getstate() == seeded or turn)
    note("uuid", uuid.uuid4().hex)
    note("tempname", os.path.basename(tempfile.mktemp()))
    time.sleep(0.05)


@pytest.mark.parametrize("turn", range(4))
def test_output_is_its_own(turn):
    for _ in range(200):
        print("line of turn %d" % turn)
    sys.stdout.flush()
    os.system("echo child of turn %d" % turn)
    if turn % 2:
        pytest.fail("to show the output")


def test_database_made_at_import():
    conftest.DATABASE.execute("insert into seen values ('x', 'y')")
    conftest.DATABASE.commit()


@pytest.mark.parametrize("turn", range(3))
def test_tmp_path_is_its_own(turn, tmp_path_factory, worker_id, testrun_uid):
    base = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        assert base.name == "popen-" + worker_id
    folder = tmp_path_factory.mktemp("same", numbered=False) if turn == 0 else base
    assert folder.is_dir()
    note("uid", testrun_uid)


def test_worker_identity(request, worker_id):
    workerinput = getattr(request.config, "workerinput", None)
    if workerinput is None:
        return
    assert workerinput["workerid"] == worker_id == os.environ["PYTEST_XDIST_WORKER"]
    assert os.environ["PYTEST_XDIST_WORKER_COUNT"] == str(workerinput["workercount"])
    assert os.environ["PYTEST_XDIST_TESTRUNUID"] == workerinput["testrunuid"]
    import xdist

    assert xdist.is_xdist_worker(request)
    assert not xdist.is_xdist_controller(request)
    assert xdist.get_xdist_worker_id(request) == worker_id


def test_environment_is_clean():
    assert not [name for name in os.environ if name.startswith("_MAKESPAN")]
    assert not [entry for entry in sys.path if "makespan." in entry]
    assert "_makespan" not in sys.argv


def test_own_exit_handler_runs():
    atexit.register(note, "atexit", "ran")


def test_temporary_directory_is_removed():
    keep = tempfile.TemporaryDirectory()
    test_temporary_directory_is_removed.keep = keep
    note("tempdir", keep.name)


def test_terminal_is_not_ours():
    try:
        fd = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        return
    os.close(fd)
    assert "PYTEST_XDIST_WORKER" not in os.environ, "a worker must not have a terminal"


def test_child_process_speaks_not_for_us():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def test_capture_disabled(capsys):
    with capsys.disabled():
        print("straight to the terminal")
