r"""The only place that knows how httpd's configuration is escaped.

Three languages are nested here. *Lines* (``ap_resolve_env``): before anything else is read, ``${NAME}`` is replaced by a
``Define`` or an environment variable, which cannot be escaped; a literal ``${`` is therefore written ``${GW_DOLLAR}{``
with ``Define GW_DOLLAR $``. The replacement is not searched again, but it is tokenized with the rest of the line, so the
value of a setting has to be escaped already (:func:`setting_value`). *Arguments* (``ap_getword_conf``): inside double
quotes a backslash escapes only ``"`` and itself. *Expressions* (``util_expr_scan.l``): inside single quotes ``%{`` starts
a variable, ``$1`` a back-reference, and a backslash takes the next punctuation character literally.

``Require expr`` is the exception: mod_authz_core takes the rest of the line, strips one pair of double quotes and leaves
every backslash alone (measured on httpd 2.4.71). Escaping it like any argument would let a quote in a CA's name end the
string it stands in. ``RewriteCond`` leaves backslashes alone too, and ends at the first double quote in any case.

A line feed ends an argument whatever stands around it, and NUL ends the file: both are refused here, never repaired.
So is a carriage return, which httpd would keep, because editors and terminals show it as the end of a line.
All of this is tested against a running httpd, which has to give back exactly what was quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gatewright.compile import expr
from gatewright.compile.ir import Arg, Setting
from gatewright.errors import ValueRejected

DOLLAR = "GW_DOLLAR"
"""The setting that stands for a literal dollar sign."""

MAX_EXPRESSION_TEXT = 8_191
"""Bytes of one text in an expression: httpd's scanner refuses more (``MAX_STRING_LEN``, measured on 2.4.71)."""

_BARE = re.compile(r"[!A-Za-z0-9_.:/@+%=,*-]+\Z")
_UNWRITABLE = re.compile("[\\x00\\n\\r]")

_ALWAYS, _NEVER = "true", "false"

# What a function's argument may be: httpd reads it up to the next closing brace and knows no escape there.
_PLAIN_ARGUMENT = re.compile(r"[A-Za-z0-9_:.-]*\Z")

# Directives that take an expression from the line as it stands, without unescaping it as an argument.
_RAW_EXPRESSION = frozenset({"Require", "RewriteCond"})

# mod_rewrite splits its lines itself, and leaves every backslash alone (``parseargline``, measured on 2.4.71).
_RAW_TEXT = frozenset({"RewriteCond", "RewriteRule"})


class Unwritable(ValueRejected):
    """A text that httpd's configuration cannot hold."""


def words(name: str, args: tuple[Arg, ...]) -> str:
    """A directive's or section's name and arguments as they stand in a line.

    Raises :class:`Unwritable` where an argument holds what no line can hold.
    """
    return " ".join((name, *_arguments(name, args)))


def _arguments(name: str, args: tuple[Arg, ...]) -> Iterator[str]:
    for arg in args:
        if isinstance(arg, expr.Expr) and name in _RAW_EXPRESSION:
            text = _line(arg.prefix + expression(arg.of))
            if name == "RewriteCond" and '"' in text:
                raise _unwritable(text, '"', "mod_rewrite ends the condition there and knows no escape")
            yield _quoted(text)
        elif isinstance(arg, str) and name in _RAW_TEXT and not _BARE.match(arg):
            if '"' in arg:
                raise _unwritable(arg, '"', "mod_rewrite ends the argument there and knows no escape")
            yield _quoted(_line(arg))
        else:
            yield argument(arg)


def argument(arg: Arg) -> str:
    """One argument as it stands in a configuration line. Raises :class:`Unwritable`."""
    if isinstance(arg, tuple):
        return _quoted("".join(_piece(part) for part in arg))
    if isinstance(arg, Setting):
        return _quoted(f"${{{arg.name}}}")  # quoted: the folder it stands for may hold blanks
    if isinstance(arg, expr.Expr):
        return _quoted(_literal(arg.prefix + expression(arg.of)))
    return arg if _BARE.match(arg) else _quoted(_literal(arg))


def setting_value(text: str) -> str:
    """``text`` as the value of a ``Define`` whose setting stands inside quoted arguments."""
    return _escaped(text)


def substitution(text: str) -> str:
    """``text`` as the target of a regular expression (``AliasMatch``), where ``$1`` is a group and a backslash escapes."""
    return re.sub(r"[\\$]", lambda m: "\\" + m[0], text)


def rewritten(text: str) -> str:
    """``text`` as it stands in the target of a ``RewriteRule``. Raises :class:`Unwritable` for a question mark.

    What follows one would become the query, and there is no way to escape it.
    """
    if "?" in text:
        raise _unwritable(text, "?", "mod_rewrite takes what follows it for a query")
    return re.sub(r"[\\$%]", lambda m: "\\" + m[0], text)


def _piece(part: str | Setting) -> str:
    return f"${{{part.name}}}" if isinstance(part, Setting) else _literal(part)


def _quoted(escaped: str) -> str:
    return f'"{escaped}"'


def _literal(text: str) -> str:
    return _line(_escaped(text))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _line(text: str) -> str:
    bad = _UNWRITABLE.search(text)
    if bad:
        raise _unwritable(text, bad[0], "a line end would start a new directive")
    return text.replace("${", f"${{{DOLLAR}}}{{")


def expression(of: expr.Condition | expr.Word) -> str:
    """An expression in httpd's syntax, not yet quoted as an argument."""
    if isinstance(of, expr.Lit | expr.Var | expr.Call | expr.Joined | expr.Group | expr.Read):
        return _bare_word(of)
    return _condition(of)


def _condition(of: expr.Condition) -> str:  # noqa: PLR0911 - one line per operator reads as the table it is
    match of:
        case expr.Eq(left, right):
            return f"{_operand(left)} == {_operand(right)}"
        case expr.OneOf(word, texts):
            # An empty list is a syntax error; nothing is among no texts.
            among = ", ".join(_string(expr.Lit(t)) for t in texts)
            return f"{_operand(word)} in {{{among}}}" if texts else _NEVER
        case expr.Matches(word, regex):
            return f"{_operand(word)} =~ m#{_delimited(regex)}#"
        case expr.Exists(path):
            return f"-e {_string(path)}"
        case expr.IsEmpty(word):
            return f"-z {_operand(word)}"
        case expr.Not(inner):
            return f"! ({_condition(inner)})"
        case expr.AllOf(parts):
            return _joined(parts, "&&", _ALWAYS)
        case expr.AnyOf(parts):
            return _joined(parts, "||", _NEVER)


def _joined(parts: tuple[expr.Condition, ...], operator: str, empty: str) -> str:
    if not parts:
        return empty
    if len(parts) == 1:
        return _condition(parts[0])
    return f" {operator} ".join(f"({_condition(p)})" for p in parts)


def _operand(word: expr.Word) -> str:
    if isinstance(word, expr.Var):
        return f"%{{{word.name}}}"
    if isinstance(word, expr.Read):
        return f"file({_string(word.path)})"
    return _string(word)


def _string(word: expr.Word) -> str:
    return f"'{_bare_word(word)}'"


def _delimited(regex: str) -> str:
    if "#" in regex:
        raise _unwritable(regex, "#", "it would end the regular expression")
    return regex


def _bare_word(word: expr.Word) -> str:
    """A word as it stands inside a quoted string of an expression."""
    match word:
        case expr.Lit(text):
            return _text(text)
        case expr.Var(name):
            return f"%{{{name}}}"
        case expr.Call(function, expr.Lit(text)):
            bad = next((c for c in text if not _PLAIN_ARGUMENT.match(c)), None)
            if bad is not None:
                raise _unwritable(text, bad, "it could end the function's argument")
            return f"%{{{function}:{text}}}"
        case expr.Call(function, inner):
            return f"%{{{function}:{_bare_word(inner)}}}"
        case expr.Joined(words):
            return "".join(_bare_word(w) for w in words)
        case expr.Group(number):
            return f"${number}"
        case expr.Read():
            raise _unwritable(repr(word), "file()", "a file's content cannot stand inside a text")


def _text(text: str) -> str:
    size = len(text.encode("utf-8", "surrogateescape"))
    if size > MAX_EXPRESSION_TEXT:
        raise Unwritable(
            "unwritable-text",
            f"a text of {size} bytes, beginning with {text[:40]!r}, cannot stand in an expression",
            f"httpd reads at most {MAX_EXPRESSION_TEXT} bytes there and would not start",
            "shorten it",
        )
    return re.sub(r"[\\'\"%$]", lambda m: "\\" + m[0], text)


def _unwritable(text: str, bad: str, why: str) -> Unwritable:
    what = f"{text!r} holds {bad!r}, which httpd's configuration cannot hold"
    return Unwritable("unwritable-text", what, why, "remove the character")
