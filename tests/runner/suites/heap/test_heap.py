import gc
import weakref


class Made:
    pass


def made_in_a_cycle():
    cycle = Made()
    cycle.itself = cycle
    return cycle


made_while_collecting = Made()


def test_referrers():
    holder = [made_while_collecting]
    referrers = gc.get_referrers(made_while_collecting)
    assert globals() in referrers
    assert [found for found in referrers if isinstance(found, list)] == [holder]


def test_objects():
    assert any(found is made_while_collecting for found in gc.get_objects())
    cycle = made_in_a_cycle()
    gone = weakref.ref(cycle)
    del cycle
    gc.collect()
    assert gone() is None


def test_what_was_there_before_the_look_is_collected():
    cycle = made_in_a_cycle()
    gc.collect()
    assert sum(1 for found in gc.get_objects() if found is cycle) == 1
    gc.get_referrers(cycle)
    gone = weakref.ref(cycle)
    del cycle
    gc.collect()
    assert gone() is None


def test_frozen_after_the_look():
    before = gc.get_freeze_count()
    assert before > 1000
    assert len(gc.get_objects()) > before
    assert before - 10 <= gc.get_freeze_count() <= before + 10


def test_one_generation():
    assert any(found is made_while_collecting for found in gc.get_objects(generation=2))
    assert gc.get_freeze_count() == 0


def test_frozen_again():
    assert gc.get_freeze_count() > 1000
