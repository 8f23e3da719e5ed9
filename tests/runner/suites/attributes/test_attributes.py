def test_passes():
    """It passes."""


def test_fails():
    """It fails."""
    assert False


def test_odd():
    """Its report holds what cannot travel."""
