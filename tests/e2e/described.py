"""described - docs/openapi.yaml as something that exchanges can be held against.

    api = described.Api(path)
    api.operation("GET", "/v1/runs/x")            "status"
    api.faults(exchange)                          sentences; none when it is as described

Stricter than OpenAPI asks for: a member that is not described is a fault, so that nothing is said
on the wire that a generated client does not know. Not for: what the members mean.
"""

import collections
import gzip
import json
import re
import urllib.parse

import jsonschema
import yaml

# One request and its answer, bodies as they travelled; headers by their names in lower case.
Exchange = collections.namedtuple("Exchange", "method path headers body status answer_headers answer")


class Api:
    def __init__(self, path):
        self.root = yaml.safe_load(path.read_text())
        self.operations = {}  # (method, regular expression of its path) -> what is described
        for pattern, methods in self.root["paths"].items():
            shared = methods.get("parameters", [])
            for method in methods.keys() & {"get", "put", "post", "delete"}:
                described = dict(methods[method])
                described["parameters"] = shared + described.get("parameters", [])
                path = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(pattern))
                self.operations[method.upper(), path] = described

    def names(self):
        return {described["operationId"] for described in self.operations.values()}

    def find(self, method, path):
        """(what is described, the path's own values); (None, None) for a path of nobody."""
        for (known, pattern), described in self.operations.items():
            match = re.fullmatch(pattern, path.partition("?")[0])
            if known == method and match:
                return described, {name: urllib.parse.unquote(text) for name, text in match.groupdict().items()}
        return None, None

    def operation(self, method, path):
        described, _ = self.find(method, path)
        return described["operationId"] if described else None

    def resolve(self, node):
        while "$ref" in node:
            at = self.root
            for word in node["$ref"].removeprefix("#/").split("/"):
                at = at[word]
            node = at
        return node

    def schema(self, node):
        """JSON Schema of one of OpenAPI 3.0, with references followed and objects closed."""
        node = dict(self.resolve(node))
        for part in map(self.schema, node.pop("allOf", ())):
            node = {**part, **node, "properties": {**part.get("properties", {}), **node.get("properties", {})},
                    "required": part.get("required", []) + node.get("required", [])}
        for word in ("items", "additionalProperties"):
            if isinstance(node.get(word), dict):
                node[word] = self.schema(node[word])
        if "oneOf" in node:
            node["oneOf"] = [self.schema(part) for part in node["oneOf"]]
        if "properties" in node:
            node["properties"] = {name: self.schema(part) for name, part in node["properties"].items()}
            node.setdefault("additionalProperties", False)
        if node.pop("nullable", False):
            node["type"] = [node["type"], "null"]
        return node

    def differences(self, what, node, value):
        validator = jsonschema.Draft202012Validator(self.schema(node))
        return [f"{what}{''.join(f'[{step!r}]' for step in error.absolute_path)}: {error.message[:300]}"
                for error in validator.iter_errors(value)]

    def faults(self, exchange):
        described, values = self.find(exchange.method, exchange.path)
        if described is None:
            return [f"{exchange.method} {exchange.path} is not described"]
        where = described["operationId"]
        answer = described["responses"].get(str(exchange.status)) or described["responses"].get("default")
        if answer is None:
            return [f"{where}: {exchange.status} is not described"]
        found = self.content(f"{where} {exchange.status}", self.resolve(answer).get("content"),
                             exchange.answer_headers, exchange.answer)
        if exchange.status < 300:  # what was refused may have been asked in any way
            found += self.parameters(where, described["parameters"], values, exchange.path.partition("?")[2])
            found += self.content(f"{where} request", described.get("requestBody", {}).get("content"),
                                  exchange.headers, exchange.body)
        return found

    def content(self, what, described, headers, body):
        if not described:
            return [f"{what}: has a body, none is described"] if body else []
        kind = headers.get("content-type", "").partition(";")[0]
        if kind not in described:
            return [f"{what}: {kind!r} is not described"]
        if not kind.endswith("json"):
            return []
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        return self.differences(what, described[kind]["schema"], json.loads(body))

    def parameters(self, where, described, values, query):
        described = {one["name"]: one for one in map(self.resolve, described)}
        values = dict(values, **dict(urllib.parse.parse_qsl(query, keep_blank_values=True)))
        found = [f"{where}: no {name}" for name, one in described.items() if one.get("required") and name not in values]
        for name, text in values.items():
            node = described[name]["schema"] if name in described else None
            if node is None:
                found.append(f"{where}: {name} is not described")
                continue
            value = int(text) if node["type"] == "integer" and re.fullmatch(r"-?\d+", text) else text
            found += self.differences(f"{where} {name}", node, value)
        return found
