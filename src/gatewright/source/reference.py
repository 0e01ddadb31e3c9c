"""``docs/gateway-file.md``: the reference of the gateway file, made from the model's own descriptions."""

from __future__ import annotations

from gatewright.source.shapes import Key, ListOf, Record, TableOf, expected, records, root

_INTRODUCTION = """\
# The gateway file

<!-- Made from src/gatewright/model/gateway.py by gatewright.source.reference(); edit the descriptions there. -->

`gateway.yaml` is the only thing you write. It is YAML 1.2, read strictly: an unknown key, a key that stands twice, a value
of the wrong type, an anchor or alias (`&`, `*`, `<<`) and a tag (`!!`) are refused with file, line and column, and all problems are
reported at once. `yes`, `no`, `on` and `off` are plain text; truth values are `true` and `false`.

```yaml
gateway: localhost
listen: 8443
authorities:
  home:   { managed: true }
  globex: { anchor: partners/globex-issuing.pem }
clients:
  billing-bot: { authority: home,   san: billing.example.org }
  globex-erp:  { authority: globex, subject: { organization: Globex, common_name: erp } }
groups:
  partners: [billing-bot, globex-erp]
routes:
  /unprotected/: { files: site/unprotected, access: public }
  /health:       { respond: { status: 200, json: { status: ok } }, access: public }
  /protected/:   { files: site/protected, access: any-client }
  /orders/:      { backend: "http://127.0.0.1:9001", access: [partners], methods: [GET, POST] }
```

`gatewright check` reads the file, judges it and changes nothing. There is no way to get an open route by leaving something out: a
route without `access` is refused.
"""

_TITLES = {
    "Gateway": "The top of the file",
    "Route": "A route: `routes.<path>`",
    "Respond": "`respond` of a route",
    "Backend": "`backend` of a route",
    "BackendCertificate": "`client_certificate` of a backend",
    "Authority": "An authority: `authorities.<name>`",
    "Partner": "A partner: `partners.<name>`",
    "Client": "A client: `clients.<name>`",
    "Subject": "`subject` of a client",
    "Access": "`access` of a route",
    "During": "`during` of an `access`",
    "ServerCertificate": "`certificate`",
}


def reference() -> str:
    """The page, as Markdown."""
    return _INTRODUCTION + "".join(_section(name, record) for name, record in records().items())


def _section(name: str, record: Record) -> str:
    rows = "".join(_row(key) for key in record.keys.values())
    table = f"| Key | Value | Required | Meaning |\n|---|---|---|---|\n{rows}"
    return f"\n## {_TITLES.get(name, name)}\n\n{record.doc}\n\n{table}"


def _row(key: Key) -> str:
    meaning = key.doc
    if key.example:
        meaning += f" Example: `{key.name}: {key.example}`"
    if key.default is not None and key.default != () and not key.required:
        shown = str(key.default).lower() if isinstance(key.default, bool) else str(key.default)
        meaning += f" Default: `{shown}`."
    cells = (f"`{key.name}`", _kind(key), "yes" if key.required else "no", meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _kind(key: Key) -> str:
    match key.shape:
        case Record():
            record = key.shape
            link = f"[mapping](#{_anchor(record.cls.__name__)})"
            return f"{expected(record.keys[record.direct].shape)}, or a {link}" if record.direct else link
        case TableOf():
            item = key.shape.item
            link = f"#{_anchor(item.cls.__name__)}" if isinstance(item, Record) and item is not root() else ""
            if isinstance(item, ListOf):
                return f"mapping from {key.shape.key.expected} to {expected(item)}"
            return f"mapping from {key.shape.key.expected} to its [description]({link})"
        case ListOf():
            one = expected(key.shape.item)
            return f"{one}, or a list of them" if key.shape.single else f"list, each {one}"
        case _:
            return expected(key.shape)


def _anchor(name: str) -> str:
    """GitHub's anchor of a section's title: lower case, punctuation dropped, spaces to hyphens."""
    kept = (c for c in _TITLES.get(name, name).lower() if c.isalnum() or c in " -_")
    return "".join(kept).replace(" ", "-")
