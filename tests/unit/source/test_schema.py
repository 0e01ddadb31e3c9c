from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gatewright.errors import UsageError
from gatewright.source import load, reference, schema
from gatewright.source.schema import example_value
from gatewright.source.shapes import records

DOCS = Path(__file__).parents[3] / "docs"
VALIDATOR = Draft202012Validator(schema())

TOP: dict[str, Any] = {"gateway": "localhost", "listen": 8443, "routes": {}}
ROUTE: dict[str, Any] = {"files": "site", "access": "public"}


def top(**keys: Any) -> dict[str, Any]:
    return {**TOP, **keys}


def route(**keys: Any) -> dict[str, Any]:
    return top(routes={"/a/": {k: v for k, v in {**ROUTE, **keys}.items() if v is not ...}})


ACCEPTED = [
    TOP,
    top(gateway=["a.example.org", "192.0.2.1"], listen="127.0.0.1:8443"),
    top(authorities={"home": {"managed": True, "key": "rsa4096"}}, certificate={"authority": "home"}),
    top(authorities={"x": {"managed": False, "anchor": "x.pem"}}),
    top(clients={"a": {"authority": "home", "san": "a.example.org"}}),
    top(clients={"a": {"authority": "home", "subject": {"common_name": "a"}}}),
    top(certificate={"chain": "a.pem", "key": "b.pem"}),
    route(),
    route(access="any-client", methods=["GET"]),
    route(access=["a", "b"]),
    route(files=..., backend="http://127.0.0.1:9001"),
    route(files=..., backend={"url": "https://b.example.org", "timeout": "5s", "websocket": True}),
    route(files=..., respond={}),
    route(files=..., respond={"json": [1, None, {"a": False}]}),
    route(files=..., respond={"status": 404, "html": "<p>"}),
]
REFUSED = [
    {},
    [],
    "text",
    top(listen="x"),
    top(listen=0),
    top(listen=True),
    top(gateway=[]),
    top(gateway=["a", "a"]),
    top(gateway=5),
    top(extra=1),
    top(routes=[]),
    top(routes={"a": ROUTE}),
    top(authorities={"a": {}}),
    top(authorities={"a": {"managed": True, "anchor": "x"}}),
    top(authorities={"a": {"managed": False}}),
    top(authorities={"a": {"managed": "yes"}}),
    top(authorities={"a": {"managed": True, "key": "dsa"}}),
    top(authorities={"-a": {"managed": True}}),
    top(clients={"a": {"san": "a.example.org"}}),
    top(clients={"a": {"authority": "home"}}),
    top(clients={"a": {"authority": "home", "san": "a.example.org", "subject": {"common_name": "a"}}}),
    top(clients={"a": {"authority": "home", "subject": {}}}),
    top(certificate={}),
    top(certificate={"chain": "a"}),
    top(certificate={"authority": "a", "chain": "a", "key": "b"}),
    route(access=...),
    route(access=None),
    route(access=[]),
    route(access=["a", "a"]),
    route(access="everybody"),
    route(access=True),
    route(methods=[]),
    route(methods=["get"]),
    route(methods="GET"),
    route(files=...),
    route(files=5),
    route(files=None),
    route(respond={}),
    route(files=..., respond={"json": 1, "text": "x"}),
    route(files=..., respond={"json": None}),
    route(files=..., respond={"status": "200"}),
    route(files=..., backend={}),
    route(files=..., backend="ftp://x"),
    route(files=..., backend={"url": "http://x", "timeout": 5}),
    route(files=..., backend={"url": "http://x", "keep_alive": "no"}),
]


def loads(document: object) -> bool:
    try:
        load(json.dumps(document), "gateway.yaml")  # JSON is YAML 1.2
    except UsageError:
        return False
    return True


@pytest.mark.parametrize("document", ACCEPTED, ids=json.dumps)
def test_what_the_loader_accepts_the_schema_accepts(document: object) -> None:
    """An editor shows no error in a file that Gatewright accepts."""
    assert loads(document)
    assert list(VALIDATOR.iter_errors(document)) == []


@pytest.mark.parametrize("document", REFUSED, ids=json.dumps)
def test_what_the_schema_refuses_the_loader_refuses(document: object) -> None:
    """What has the wrong shape is refused by both."""
    assert not loads(document)
    assert not VALIDATOR.is_valid(document)


def test_the_schema_is_a_schema() -> None:
    """The schema is valid under its own draft and can be written as JSON."""
    Draft202012Validator.check_schema(schema())
    json.dumps(schema())


def test_examples_of_the_model_are_valid() -> None:
    """Every example in the descriptions passes the schema of its own key."""
    definitions = schema()["$defs"]
    for record in records().values():
        for key in record.keys.values():
            if not key.example:
                continue
            described = definitions[record.cls.__name__] if record.cls.__name__ in definitions else schema()  # type: ignore[operator,index]
            shape = {**described["properties"][key.name], "$defs": definitions}  # type: ignore[index]
            Draft202012Validator(shape).validate(example_value(key.example))


def test_the_reference_page_is_current() -> None:
    """docs/gateway-file.md is what the model says; write it anew with `gatewright.source.reference()`."""
    assert (DOCS / "gateway-file.md").read_text(encoding="utf-8") == reference()


def test_every_key_is_described() -> None:
    """Every key of every mapping stands in the reference."""
    page = reference()
    for record in records().values():
        for name in record.keys:
            assert f"| `{name}` |" in page


def test_texts_for_users_are_plain_markdown() -> None:
    """No paragraph of the reference is indented, which Markdown would show as code, and none speaks to programmers."""
    page = reference()
    assert not [line for line in page.splitlines() if line.startswith("    ")]
    assert not re.search(r":[a-z]+:`", page)
