"""record_testsuite_property and record_xml_attribute, which look for the JUnit XML object.

Only the reporter has one; workers get a stand-in that forwards.
"""

try:
    from _pytest.junitxml import xml_key
except ImportError:
    xml_key = None


class _XmlStub:
    def __init__(self, config, on_attribute, sender):
        self.family = config.getini("junit_family")
        self._on_attribute = on_attribute
        self._sender = sender

    def add_global_property(self, name, value):
        self._sender.event("suite_property", str(name), str(value))

    def node_reporter(self, nodeid):
        return _NodeStub(nodeid, self._on_attribute)


class _NodeStub:
    def __init__(self, nodeid, on_attribute):
        self._nodeid = nodeid
        self._on_attribute = on_attribute

    def add_attribute(self, name, value):
        self._on_attribute(self._nodeid, str(name), value)


def install(config, on_attribute, sender):
    if xml_key is not None and getattr(config.option, "xmlpath", None):
        stub = config.stash[xml_key] = _XmlStub(config, on_attribute, sender)
        config.pluginmanager.register(stub)  # at the end pytest unregisters what it finds there


def replay_attribute(config, nodeid, name, value):
    xml = config.stash.get(xml_key, None) if xml_key is not None else None
    if xml is not None:
        xml.node_reporter(nodeid).add_attribute(name, value)


def replay_property(config, name, value):
    xml = config.stash.get(xml_key, None) if xml_key is not None else None
    if xml is not None:
        xml.add_global_property(name, value)
