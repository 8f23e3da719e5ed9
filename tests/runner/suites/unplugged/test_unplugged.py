"""Tests that take a plugin of pytest's away for a while, as those of logging libraries do."""

import logging

import pytest


@pytest.fixture(params=["logging-plugin", "faulthandler", "lfplugin"])
def without(request, pytestconfig):
    plugin = pytestconfig.pluginmanager.unregister(name=request.param)
    yield request.param
    if plugin is not None:
        pytestconfig.pluginmanager.register(plugin, request.param)


def test_without(without, pytestconfig):
    assert not pytestconfig.pluginmanager.has_plugin(without)


def test_it_is_there_again(pytestconfig):
    assert pytestconfig.pluginmanager.has_plugin("logging-plugin")
    logging.getLogger("unplugged").warning("is caught again")
    assert not "shown with its log"
