"""What plugins of pytest's cache learn while collecting. The reporter, which writes the cache, does not collect."""


def learned(config):
    """In the process that has collected: plain data for the reporter."""
    new_first = config.pluginmanager.getplugin("nfplugin")
    stepwise = getattr(config.pluginmanager.getplugin("stepwiseplugin"), "cached_info", None)
    return {
        "nodeids": sorted(getattr(new_first, "cached_nodeids", ())),
        "stepwise": None if stepwise is None else (stepwise.last_failed, stepwise.last_test_count),
    }


def take(config, learned):
    """In the reporter: as if it had collected itself."""
    new_first = config.pluginmanager.getplugin("nfplugin")
    if hasattr(new_first, "cached_nodeids"):
        new_first.cached_nodeids.update(learned["nodeids"])
    stepwise = getattr(config.pluginmanager.getplugin("stepwiseplugin"), "cached_info", None)
    if stepwise is not None and learned["stepwise"] is not None:
        stepwise.last_failed, stepwise.last_test_count = learned["stepwise"]
