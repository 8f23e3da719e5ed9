#!/usr/bin/python3
"""The house rules that a compiler cannot see: who may include whom, where each library lives,
which functions have a safer twin. Three tables, then the code that reads them. Silent when all is
well; a new rule is a new row.

    tests/lint/rules.py [ROOT]
"""

import pathlib
import re
import sys

# Layers: what a folder's files may include of ours. The deepest folder named here counts.
LAYERS = {
    "common": {"common"},
    "common/plan": {"common", "common/plan"},
    "coordinator/core": {"common", "common/plan", "coordinator/core"},
    "coordinator/report": {"common", "common/plan", "coordinator/core", "coordinator/report"},
    "coordinator/store": {"common", "common/plan", "coordinator/core", "coordinator/store"},
    "coordinator/service": {"common", "common/plan", "coordinator/core", "coordinator/report",
                            "coordinator/service", "coordinator/store/store.h",
                            "coordinator/store/commit.h"},
    "coordinator/api": {"common", "coordinator/api", "coordinator/service", "coordinator/http"},
    "coordinator/http": {"common", "coordinator/http"},
    "coordinator": {"common", "common/plan", "coordinator", "coordinator/store",
                    "coordinator/service/auth.h"},
    "agent/options": {"common", "agent/options"},
    "agent/core": {"common", "common/plan", "agent/options", "agent/core", "agent/machine/resources.h"},
    "agent/machine": {"common", "agent/machine"},
    "agent/net": {"common", "agent/options", "agent/net"},
    "agent/runner": {"common", "agent/core/start.h", "agent/runner"},
    "agent/source": {"common", "common/plan", "agent/options", "agent/core", "agent/net", "agent/source"},
    "agent/supervise": {"common", "common/plan", "agent/core", "agent/machine", "agent/runner",
                        "agent/source/source.h", "agent/source/sharded.h", "agent/source/footprint.h",
                        "agent/supervise"},
    "agent/watch": {"common", "agent/watch"},
    "agent/command": {"common", "common/plan", "agent/options", "agent/core", "agent/machine",
                      "agent/net", "agent/source", "agent/supervise/supervise.h",
                      "agent/supervise/local.h", "agent/watch", "agent/command"},
    "agent": {"common", "agent/command/command.h"},
}
# main.c knows which parts are plugged in, and nobody else does.
WIRING = {"coordinator": "coordinator/"}

# Pure layers decide; they see values only. These headers of libc are all they get.
PURE = ["common/plan", "coordinator/core"]
PURE_HEADERS = {"stdint.h", "stdbool.h", "stddef.h", "string.h", "stdlib.h", "inttypes.h", "limits.h",
                "math.h"}

# Libraries: the files that may include their headers. A name that ends in / is a folder.
LIBRARIES = {
    r"curl/": ["agent/net/transport.c"],
    r"sqlite3": ["coordinator/store/sql.c"],
    r"jansson": ["common/json.c"],
    r"zlib": ["common/gz.c"],
    r"libxml/": ["coordinator/report/junit_writer.c"],
    r"openssl/": ["common/hash.c", "common/id.c", "coordinator/http/tls.c", "coordinator/http/certs.c",
                  "coordinator/http/x509.c", "coordinator/http/x509.h"],
    r"sys/inotify": ["agent/watch/watch_inotify.c"],
    r"event2/": ["coordinator/http/", "agent/"],
}

# Functions with a safer twin: the twin, and the files that are the twin.
BANNED = [
    (r"strcpy|strcat|strncpy|strncat|stpcpy|sprintf|vsprintf|gets|strtok|strtok_r", "str.h", []),
    (r"atoi|atol|atoll|atof|sscanf", "parse_u32 and its like in str.h", []),
    (r"gmtime|localtime|ctime|asctime", "clock.h", []),
    (r"clock_gettime|gettimeofday|time|clock", "clock.h, handed in as a value", ["common/clock.c"]),
    (r"rand|srand|random|drand48|getrandom|arc4random", "id.h", ["common/id.c"]),
    (r"system|popen|alloca|tmpnam|mktemp|vfork", "spawn.h", []),
    (r"malloc|calloc|realloc|strdup|strndup", "mem.h", ["common/mem.c", "tests/"]),
    (r"setjmp|longjmp", "an error code", []),
]
FOLDERS = ["common", "coordinator", "agent"]
LINES_MAX = 600


class Lint:
    def __init__(self, root):
        self.root = root
        self.found = []

    def say(self, path, line, why):
        self.found.append(f"{path.relative_to(self.root)}:{line}: {why}")

    def check_all(self):
        for folder in FOLDERS + ["tests"]:
            for path in sorted((self.root / folder).rglob("*.[ch]")):
                text = path.read_text()
                self.check_shape(path, text)
                self.check_calls(path, code_only(text))
                if folder != "tests":
                    self.check_includes(path, text)

    def check_shape(self, path, text):
        lines = text.splitlines()
        if len(lines) > LINES_MAX:
            self.say(path, LINES_MAX, f"{len(lines)} lines: is this still one room with one job?")
        if path.suffix == ".h" and "#pragma once" not in lines:
            self.say(path, 1, "a header starts with what it is for, then #pragma once")
        if path.suffix == ".h" and not text.startswith("/*"):
            self.say(path, 1, "the header is the manual: its first lines say the job and the not-job")
        for number, line in enumerate(lines, 1):
            if re.match(r"\s*//.*;\s*$", line):
                self.say(path, number, "code in a comment")
            if re.search(r"\b(TODO|FIXME|XXX)\b(?!.*#\d)", line):
                self.say(path, number, "a TODO carries the number of its issue")
            if re.match(r"\s*typedef\s+(struct|enum|union)\b[^(]*$", line):
                self.say(path, number, "struct x and enum x are written out, never a typedef")

    def check_calls(self, path, code):
        name = str(path.relative_to(self.root))
        for pattern, twin, homes in BANNED:
            if any(name.startswith(home) for home in homes):
                continue
            for match in re.finditer(rf"(?<![\w.>])({pattern})\s*\(", code):
                line = code.count("\n", 0, match.start()) + 1
                self.say(path, line, f"{match.group(1)}(): use {twin}")

    def check_includes(self, path, text):
        name = str(path.relative_to(self.root))
        own = path.with_suffix(".h")
        includes = re.findall(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', text, re.M)
        if path.suffix == ".c" and own.exists() and includes:
            if includes[0][0] != '"' or self.resolve(path, includes[0][1]) != own:
                self.say(path, 1, f"includes its own header {own.name} first")
        for kind, header in includes:
            line = text[: text.index(header)].count("\n") + 1
            if kind == '"':
                self.check_layer(path, line, header)
            else:
                self.check_library(path, name, line, header)

    def resolve(self, path, header):
        own = self.root / path.relative_to(self.root).parts[0]
        for base in [path.parent, own, *(self.root / folder for folder in FOLDERS), self.root]:
            target = (base / header).resolve()
            if target.is_file():
                return target
        return None

    def check_layer(self, path, line, header):
        target = self.resolve(path, header)
        layer = layer_of(str(path.relative_to(self.root)))
        if target is None or layer is None:
            return  # made by the build: the compiler finds it or not
        wanted = str(target.relative_to(self.root))
        if path.name == "main.c" and wanted.startswith(WIRING.get(layer, layer)):
            return
        allowed = LAYERS[layer]
        if wanted not in allowed and layer_of(wanted) not in allowed:
            self.say(path, line, f"{layer}/ may not know {wanted}")
        shared = re.fullmatch(r"(\w+_)?inner\.h", target.name)
        if shared and (target.parent != path.parent or not path.name.startswith((shared[1] or "").rstrip("_"))):
            self.say(path, line, f"{wanted} is for {shared[1] or ''}*.c beside it only")

    def check_library(self, path, name, line, header):
        layer = layer_of(name)
        if layer in PURE and header not in PURE_HEADERS:
            self.say(path, line, f"{layer}/ is pure, <{header}> is not")
        for pattern, homes in LIBRARIES.items():
            if re.match(pattern, header) and not any(name.startswith(home) for home in homes):
                self.say(path, line, f"<{header}> is included by {', '.join(homes)} only")


def layer_of(name):
    """The deepest folder of LAYERS that holds the file."""
    fits = [layer for layer in LAYERS if name.startswith(layer + "/")]
    return max(fits, key=len) if fits else None


def code_only(text):
    """The text with comments and the insides of literals blanked, line numbers kept."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    lint = Lint(root)
    lint.check_all()
    print("\n".join(lint.found), end="\n" if lint.found else "")
    return 1 if lint.found else 0


if __name__ == "__main__":
    sys.exit(main())
