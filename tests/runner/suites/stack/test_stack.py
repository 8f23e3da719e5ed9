import inspect
import sys


def frames():
    frame = sys._getframe()
    while frame is not None:
        yield frame, frame.f_code.co_filename
        frame = frame.f_back


def test_frames_without_a_module_have_none():
    homeless = [name for frame, name in frames() if inspect.getmodule(frame, name) is None]
    assert homeless or sys.version_info < (3, 11)  # before that, runpy has a file
    assert all(name.startswith("<") for name in homeless)


def test_nobody_looks_for_their_module(monkeypatch):
    class Modules(dict):
        def copy(self):
            raise AssertionError("looked through all modules")

    for frame, name in frames():
        inspect.getmodule(frame, name)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "modules", Modules(sys.modules))
        for frame, name in frames():
            inspect.getmodule(frame, name)


def test_stack_is_whole():
    assert inspect.stack()[0].function == "test_stack_is_whole"
    assert inspect.stack()[-1].filename == "<frozen runpy>" or sys.version_info < (3, 11)
