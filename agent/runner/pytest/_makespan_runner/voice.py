"""The terminal reporter of a zygote or worker: registered, as plugins expect, but unheard.

Only the lines of pytest_report_collectionfinish (such as that of --lf) are kept: nobody else has
heard them.
"""

import io


class _Muted(io.StringIO):
    """A stream that forgets."""

    def write(self, text):
        return len(text)


def silence(terminal):
    """Replace the writer; width and colours stay as they were, for plugins that ask. And nobody is asked
    for lines of the header or the summary: the reporter does that."""
    writer = terminal._tw
    muted = type(writer)(_Muted())
    muted.fullwidth = writer.fullwidth
    muted.hasmarkup = writer.hasmarkup
    terminal._tw = muted
    terminal.isatty = type(terminal.isatty)(False)  # a bool, or what pytest 9 has in its place
    kind = type(terminal)
    terminal.__class__ = type(kind.__name__, (kind,), {"no_header": True, "no_summary": True})
    original = terminal._write_report_lines_from_hooks

    def write_lines(lines):
        terminal._makespan_lines = lines
        original(lines)

    terminal._write_report_lines_from_hooks = write_lines


def forget_lines(terminal):
    """Before the collection: what was written so far was the header."""
    if terminal is not None:
        terminal._makespan_lines = []


def take_lines(terminal):
    """The lines written since, in the order in which pytest prints them."""
    flat = []
    for line_or_lines in reversed(getattr(terminal, "_makespan_lines", [])):
        flat += [line_or_lines] if isinstance(line_or_lines, str) else list(line_or_lines)
    return [str(line) for line in flat]
