import gc
import weakref


class Made:
    pass


made_while_collecting = Made()


def test_referrers():
    assert globals() in gc.get_referrers(made_while_collecting)


def test_objects():
    assert any(found is made_while_collecting for found in gc.get_objects())
    cycle = Made()
    cycle.itself = cycle
    gone = weakref.ref(cycle)
    del cycle
    gc.collect()
    assert gone() is None


def test_frozen_again():
    assert gc.get_freeze_count() > 1000
