"""Live logging and the log file: workers forward the records, the reporter writes them."""

import logging


class _Forwarder(logging.Handler):
    """Stands where pytest's own handler for the terminal or the file stood."""

    def __init__(self, target, on_record, level, formatter):
        super().__init__(level)
        self.setFormatter(formatter)
        self._target = target
        self._on_record = on_record
        self._when = None

    def reset(self):
        self._when = None

    def set_when(self, when):
        self._when = when

    def emit(self, record):
        self._on_record(self._when, describe(record, self._target))

    def handleError(self, record):
        raise  # as pytest's handlers: a bad logging call fails the test


def describe(record, target):
    """A LogRecord as plain data."""
    described = {key: value for key, value in record.__dict__.items()
                 if isinstance(value, (str, int, float, type(None)))}
    described["msg"] = record.getMessage()
    described["args"] = None
    described["target"] = target
    if record.exc_info and not record.exc_text:
        described["exc_text"] = logging.Formatter().formatException(record.exc_info)
    described["exc_info"] = None
    return described


def wants_file(config):
    """True if the suite logs to a file. (False too where the logging plugin is not loaded.)"""
    try:
        return bool(getattr(config.option, "log_file", None) or config.getini("log_file"))
    except (KeyError, ValueError):
        return False


def forward_from(config, plugin, on_record):
    """In a zygote: put forwarders in the place of the handlers that write.

    As soon as the plugin is there: its wrappers take hold of the handlers for a whole phase.
    """
    enabled = getattr(plugin, "_log_cli_enabled", None)
    if enabled is not None and enabled():
        plugin.log_cli_handler = _like(plugin.log_cli_handler, "cli", on_record,
                                       getattr(plugin, "log_cli_level", None))
    if getattr(config.option, "log_file", None):
        plugin.log_file_handler = _like(plugin.log_file_handler, "file", on_record,
                                        getattr(plugin, "log_file_level", None))


def _like(handler, target, on_record, level):
    return _Forwarder(target, on_record, logging.NOTSET if level is None else handler.level,
                      handler.formatter)


def replay(config, when, described):
    """In the reporter: let pytest's own handler write the record."""
    plugin = config.pluginmanager.getplugin("logging-plugin")
    if plugin is None:
        return
    described = dict(described)
    target = described.pop("target", "cli")
    record = logging.makeLogRecord(described)
    handler = plugin.log_cli_handler if target == "cli" else plugin.log_file_handler
    if when is not None and hasattr(handler, "set_when"):
        handler.set_when(when)
    handler.handle(record)
