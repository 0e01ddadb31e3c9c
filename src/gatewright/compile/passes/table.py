"""The routes of a gateway with many of them: looked up in a table (:mod:`gatewright.compile.table`) instead of walked through.

While the URL is translated, one rule reads the record of the longest declared path and puts what it says into variables.
The request's path stays as it is, so logs, error pages and redirects have nothing to be taught. Sections with conditions on
those variables then hold the rules of every route that has the same ones. Whatever cannot be read or does not match leaves
the variables unset, and the request where ``<Location />`` has put it: refused.

Two things follow from ``<If>`` being merged after every ``<Location>``: paths that a location refuses for every route must not
be looked up at all, and neither must requests to a host that the virtual host is not for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gatewright.compile.expr import (
    AllOf,
    AnyOf,
    Call,
    Condition,
    Eq,
    Exists,
    Expr,
    Group,
    IsEmpty,
    Joined,
    Lit,
    Matches,
    Not,
    Read,
    Var,
)
from gatewright.compile.inputs import Inputs
from gatewright.compile.ir import Comment, Node, directive, section
from gatewright.compile.passes.canary import canary
from gatewright.compile.passes.contacts import first_contact
from gatewright.compile.passes.errors import RESERVED
from gatewright.compile.passes.routes import UNSAFE, guards, nothing_else, published
from gatewright.compile.quote import rewritten
from gatewright.compile.table import FILE, PAGE, RECORD, SHUT, TREE, Table

_PATH = Var("REQUEST_URI")
_SCHEMES = ("http", "https")
_ENGINE = directive("RewriteEngine", "on")


def lookup(inputs: Inputs, table: Table, asked: Condition | None = None) -> tuple[Node, ...]:
    """Finds the route, sends test identities to the canary and first contacts to their page, and maps everybody else's path to a file.

    ``asked`` says whether the request is for this host, where not every one is that reaches it.
    """
    proof = (*(node for node in canary(inputs) if node != _ENGINE), *first_contact(inputs))
    return (_ENGINE, *_find(inputs, table, asked), *proof, *_mapped(inputs, table), *_forwarded(table))


def tabled(inputs: Inputs, table: Table, host: int) -> tuple[Node, ...]:
    """Deny everything, the guards, then the rules of every group of routes for the virtual host with this number."""
    return (
        *nothing_else(),
        *published(inputs),
        *guards(inputs),
        Comment("What holds for the route that was found."),
        *_sections(table.rules[host], 1, table.depth),
    )


def _find(inputs: Inputs, table: Table, asked: Condition | None) -> tuple[Node, ...]:
    # An error page is an internal redirect, which no route is asked about; neither may one cover the gateway's own paths.
    first = IsEmpty(Call("reqenv", Lit("REDIRECT_STATUS")))
    safe = Not(Matches(_PATH, f"^{re.escape(RESERVED)}|{UNSAFE}"))
    file = Joined((Lit(f"{inputs.layout.pages}/{RECORD}"), Call("sha1", Group(1))))
    there = AnyOf(tuple(AllOf((Matches(_PATH, regex), Exists(file))) for regex in _prefixes(table)))
    words = " ".join(["([0-9.]+|none)"] * table.depth)
    record = Matches(Read(file), f"^{words} ([^ ]+) ([0-9a-f]+|-) ([a-z]+) (.+)$")
    conditions = (first, *(() if asked is None else (asked,)), safe, there, record)
    path, shut, kind, leads = (f"%{table.depth + n}" for n in range(1, 5))
    settings = [f"{_rules(level)}:%{level}" for level in range(1, table.depth + 1)]
    settings += [f"GW_ROUTE:{path}", f"GW_{kind}_AT:{path}", f"GW_{kind}_TO:{leads}"]
    if table.kinds & {*_SCHEMES}:
        settings.append(f"GW_URL:{kind}://{leads}")
    if inputs.gateway.proof is not None and inputs.gateway.proof.shuts:
        settings.append(f"{SHUT}:{shut}")
    # httpd asks for a folder's index by a request of its own, which begins with the variables of the one it is for.
    stale = [f"!{setting.partition(':')[0]}" for setting in settings if "%" not in setting.partition(":")[0]]
    stale += [f"!GW_{one}_AT" for one in sorted(table.kinds)]
    return (
        directive("RewriteCond", "%{IS_SUBREQ}", "=true"),
        directive("RewriteRule", "^", "-", f"[{','.join(f'E={s}' for s in stale)}]"),
        Comment("The record of the longest declared path that covers the request's: whose rules hold, where it leads."),
        directive("RewriteCond", "expr", Expr(AllOf(conditions))),
        directive("RewriteRule", "^", "-", f"[{','.join(f'E={s}' for s in settings)}]"),
    )


def _prefixes(table: Table) -> tuple[str, ...]:
    """Regular expressions for the request's path and what is above it, longest first, as far as such paths are declared."""
    exact = "|".join(f"(?:/[^/]+){{{n}}}" for n in table.segments(trees=False))
    trees = tuple(f"^((?:/[^/]+){{{n}}}/)" for n in table.segments(trees=True))
    return (f"^({exact})$", *trees) if exact else trees


def _mapped(inputs: Inputs, table: Table) -> tuple[Node, ...]:
    folders = {TREE: inputs.layout.files_root, FILE: inputs.layout.files_root, PAGE: inputs.layout.pages}
    found: list[Node] = [Comment("Where files and fixed answers stand.")] if table.kinds & {*folders} else []
    for kind, folder in folders.items():
        if kind not in table.kinds:
            continue
        if kind == TREE:
            # The rest of the path: all after the route's, which holds no '#' (nor does mod_rewrite's line hold a backslash).
            found.append(
                directive("RewriteCond", f"%{{ENV:GW_{kind}_AT}}#%{{REQUEST_URI}}", "^(?P<at>[^#]+)#(?P=at)(.*)$")
            )
        else:
            found.append(directive("RewriteCond", f"%{{ENV:GW_{kind}_AT}}", "."))
        rest = "%2" if kind == TREE else ""
        found.append(directive("RewriteRule", "^", f"{rewritten(str(folder))}/%{{ENV:GW_{kind}_TO}}{rest}", "[L]"))
    return tuple(found)


def _forwarded(table: Table) -> tuple[Node, ...]:
    """One line for all backends: httpd puts the route's path and its backend's URL in. With neither set, nothing matches."""
    schemes = [scheme for scheme in _SCHEMES if scheme in table.kinds]
    if not schemes:
        return ()
    at = "".join(f"${{GW_{scheme}_AT}}" for scheme in schemes)
    return (
        Comment("Where requests are forwarded to."),
        directive("ProxyPassInterpolateEnv", "On"),
        *(directive("ProxyPass", f"${{GW_{s}_AT}}", f"{s}://${{GW_{s}_TO}}", "interpolate") for s in schemes),
        directive("ProxyPassReverse", at, "${GW_URL}", "interpolate"),
    )


def _rules(level: int) -> str:
    return f"GW_RULES_{level}"


def _sections(rules: Mapping[tuple[str, ...], tuple[Node, ...]], level: int, depth: int) -> tuple[Node, ...]:
    below: dict[str, dict[tuple[str, ...], tuple[Node, ...]]] = {}
    for name, nodes in rules.items():
        below.setdefault(name[level - 1], {})[name] = nodes
    return tuple(
        section(
            "If",
            Expr(Eq(Call("reqenv", Lit(_rules(level))), Lit(word))),
            children=next(iter(inner.values())) if level == depth else _sections(inner, level + 1, depth),
        )
        for word, inner in below.items()
    )
