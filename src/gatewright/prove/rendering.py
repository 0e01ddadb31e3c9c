"""A proof's report for readers and programs: terminal text, one HTML page, JSON. Nothing in a report is trusted.

What a server answered, what a certificate said, what a route is called: all of it may have been chosen to deceive. In text and
HTML everything that is not printable is written as an escape; in HTML every value is entity-encoded, and the page has no script,
loads nothing and forbids itself to (Content Security Policy); JSON is ASCII.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from gatewright.diagnose.refusals import visible
from gatewright.prove.cases import NOBODY, Family
from gatewright.prove.report import Report
from gatewright.prove.verdict import Seen, Verdict

FORMAT = "gatewright-proof-1"
"""What the field ``format`` of the JSON says. Another number where a field changes its meaning or goes."""

WORDS: Mapping[Family, str] = MappingProxyType(
    {
        Family.NO_CERTIFICATE: "callers without a certificate",
        Family.ADMITTED: "clients that must get in",
        Family.WRONG_CERTIFICATE: "certificates of others: foreign, imitated, self-signed, chains with tricks",
        Family.WRONG_MOMENT: "expired, not yet valid, revoked",
        Family.WRONG_PURPOSE: "wrong purpose, weak keys and hashes",
        Family.WRONG_CLIENT: "valid certificates of the wrong client",
        Family.CREDENTIALS: "credentials that are none, with and without the right certificate",
        Family.RESUMPTION: "TLS sessions resumed where they do not belong",
        Family.NAME_CONFUSION: "SNI, Host and authority that disagree",
        Family.PATH_CONFUSION: "paths spelt otherwise, neighbours of routes",
        Family.METHODS: "methods that a route does not take",
        Family.HEADER_SPOOFING: "identity headers sent by the caller",
        Family.FRAMING: "requests with two meanings",
        Family.PLAIN_TEXT: "plain HTTP on the TLS port",
        Family.TLS_STRENGTH: "old versions of TLS and weak suites",
        Family.EXHAUSTION: "callers that only hold connections",
    }
)
"""What each family tries, in a reader's words."""


def as_data(report: Report) -> dict[str, Any]:
    """The report as JSON values. Empty fields are left out of cases and of what was seen.

    Of the headers that the canary was sent, the names alone: values may be secrets that the gateway adds for its backends.
    """
    return {
        "format": FORMAT,
        "target": report.target,
        "shadow": report.shadow,
        "policy_sha256": report.policy_sha256,
        "generation": report.generation,
        "versions": {
            "gatewright": report.gatewright_version,
            "httpd": report.httpd_version,
            "openssl": report.openssl_version,
        },
        "began": stamp(report.began),
        "seconds": _number(report.seconds),
        "sampled": report.sampled,
        "routes": report.routes,
        "proven": report.proven,
        "tried": len(report.verdicts),
        "findings": len(report.findings),
        "summary": [{"family": f.value, "tried": t, "passed": p} for f, (t, p) in report.summary.items()],
        "identities": [
            {
                "description": i.description,
                "authority": i.authority,
                "serial": i.serial,
                "sha256": i.sha256,
                "not_after": stamp(i.not_after),
                "twin": i.twin,
                "gone": i.gone,
            }
            for i in report.identities
        ],
        "verdicts": [_verdict(v) for v in report.verdicts],
        "not_covered": [{"what": n.what, "why": n.why, "cases": n.cases} for n in report.not_covered],
    }


def to_json(report: Report, made: datetime, page: str = "") -> bytes:
    """The report as it is signed: keys sorted, no white space, ASCII, a newline at the end; the same for equal reports.

    ``made`` is when it is signed; ``page`` the SHA-256 (hex) of the HTML page that goes with it.
    """
    data = as_data(report) | {"made": stamp(made)} | ({"html_sha256": page} if page else {})
    return (json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False) + "\n").encode("ascii")


def stamp(moment: datetime) -> str:
    """``2030-01-01T12:00:00Z``, in UTC and whole seconds (RFC 3339)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _verdict(verdict: Verdict) -> dict[str, Any]:
    case = verdict.case
    return {
        "id": case.id,
        "family": case.family.value,
        "route": case.route,
        "why": case.why,
        # Which of an authority's CAs is said where it is not the first.
        "identity": {key: value for key, value in _fields(case.identity).items() if value != 0},
        "protocol": _fields(case.protocol),
        "ask": _fields(case.ask),
        "expected": _fields(case.expected) | {"text": str(case.expected)},
        "seen": _seen(verdict.seen),
        "passed": verdict.passed,
        "inconclusive": verdict.inconclusive,
        "evidence": verdict.evidence,
    }


def _seen(seen: Seen) -> dict[str, Any]:
    told = _fields(seen)
    if seen.headers is not None:
        told["headers"] = sorted(name for name, _ in seen.headers)
    return told


def _fields(value: Any) -> dict[str, Any]:
    """Every field of a dataclass that is not empty."""
    # dataclasses.fields() looks each of them up anew; a report has thousands.
    found = [(name, getattr(value, name)) for name in value.__dataclass_fields__]
    return {name: _number(v) if isinstance(v, float) else v for name, v in found if not _empty(v)}


def _empty(value: object) -> bool:
    return value is None or value is False or value in ("", ())


def _number(value: float) -> float:
    """Rounded to thousandths; -1 for what is no number, which JSON cannot hold (RFC 8259 §6)."""
    return round(value, 3) if math.isfinite(value) else -1.0


# --- text ---------------------------------------------------------------------------------------------------------------


def to_text(report: Report) -> str:
    """The report for a terminal: the result first, then what went wrong, then the families, and what was not tried."""
    rows = [("result", _result(report)), *_facts(report)]
    text = "".join(f"{name + ':':<12}{_shown(value)}\n" for name, value in rows)
    for verdict in report.findings:
        text += "\n" + _finding_text(verdict)
    text += "\n" + _table(("TRIED", "PASSED", ""), [(str(t), str(p), WORDS[f]) for f, (t, p) in report.summary.items()])
    left = [i for i in report.identities if not i.gone]
    if left:
        text += "\nTest certificates that are not gone (revoke them: gatewright cert revoke SERIAL):\n"
        text += _table(
            ("SERIAL", "ENDS", ""), [(i.serial, stamp(i.not_after), f"{i.authority}: {i.description}") for i in left]
        )
    if report.not_covered:
        text += "\nNot tried:\n" + "".join(
            f"  {_shown(_left_out(n.what, n.why, n.cases))}\n" for n in report.not_covered
        )
    return text


def _finding_text(verdict: Verdict) -> str:
    lines = [
        f"{'INCONCLUSIVE' if verdict.inconclusive else 'FAILED'}  {_shown(verdict.case.id)}",
        f"  expected: {_shown(str(verdict.case.expected))}",
        f"  seen:     {_shown(verdict.evidence)}",
        f"  why:      {_shown(verdict.case.why)}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _shown(text: str) -> str:
    """``text`` without anything unprintable; most texts of the thousands in a report have nothing such."""
    return text if text.isprintable() else visible(text)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    table = [list(header), *([_shown(cell) for cell in row] for row in rows)]
    if len(table) == 1:
        return ""
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table)
    return "".join(f"{line}\n" for line in lines)


def _result(report: Report) -> str:
    tried = len(report.verdicts)
    if report.proven:
        return f"proven: {_count(tried, 'probe')}, each ended as it must"
    if not tried:
        return "NOT PROVEN: nothing was tried"
    unclear = sum(v.inconclusive for v in report.findings)
    wrong = len(report.findings) - unclear
    parts = [f"{wrong} ended otherwise than {'it' if wrong == 1 else 'they'} must"] if wrong else []
    parts += [f"{unclear} came to nothing"] if unclear else []
    return f"NOT PROVEN: of {_count(tried, 'probe')}, {' and '.join(parts)}"


def _facts(report: Report) -> list[tuple[str, str]]:
    rate = f", {len(report.verdicts) / report.seconds:.0f} probes/s" if report.seconds > 0 else ""
    which = "; sampled: every kind of door and every boundary" if report.sampled else "; each with everything"
    openssl = report.openssl_version.partition(" (Library")[0]
    return [
        ("target", report.target + (" (shadow instance)" if report.shadow else "")),
        ("when", f"{report.began.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, for {report.seconds:.1f} s{rate}"),
        ("generation", str(report.generation) if report.generation else "none"),
        ("policy", f"SHA-256 {report.policy_sha256}"),
        ("routes", f"{report.routes:,}{which}"),
        ("versions", f"Gatewright {report.gatewright_version}, httpd {report.httpd_version}, {openssl}"),
        ("identities", _identities(report)),
    ]


def _identities(report: Report) -> str:
    made, gone = len(report.identities), sum(i.gone for i in report.identities)
    if not made:
        return "no test certificates"
    left = made - gone
    fate = "all gone" if not left else f"{gone} gone, {left} NOT GONE"
    return f"{_count(made, 'test certificate')}, {fate}"


def _left_out(what: str, why: str, cases: int) -> str:
    many = f" ({_count(cases, 'case')})" if cases else ""
    return f"{what}{many}: {why}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# --- HTML ---------------------------------------------------------------------------------------------------------------

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;color:#1c2733;background:#f4f6f8;margin:0;padding:3rem 1rem}"
    "main{max-width:64rem;margin:auto;background:#fff;border:1px solid #d5dce3;border-radius:8px;padding:2rem}"
    "h1{font-size:1.4rem;margin:0 0 1rem}h2{font-size:1.1rem;margin:2rem 0 .6rem}"
    ".result{padding:.8rem 1rem;border-radius:6px;font-weight:600;border-left:6px solid}"
    ".good{background:#e9f6ec;border-color:#1e7d34}.bad{background:#fdecea;border-color:#b3261e}"
    "code{font-size:.88em;background:#eef2f5;padding:.1em .3em;border-radius:3px;word-break:break-word}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.2rem;margin:1.2rem 0}dt{color:#5a6b7b}dd{margin:0}"
    "dd,td{overflow-wrap:anywhere}"
    "table{border-collapse:collapse;width:100%;font-size:.92rem}th,td{text-align:left;vertical-align:top;padding:.35rem .7rem .35rem 0;"
    "border-bottom:1px solid #e3e8ed}th{color:#5a6b7b;font-weight:600}td.n,th.n{text-align:right;width:4.5rem}"
    "td.w{white-space:nowrap;overflow-wrap:normal}.no{color:#b3261e;font-weight:600}"
    "article{border:1px solid #e5b8b4;border-left:6px solid #b3261e;border-radius:6px;padding:.6rem 1rem;margin:.8rem 0}"
    "article dl{margin:.4rem 0}details{margin:.5rem 0}summary{cursor:pointer}"
    "@media print{body{background:#fff;padding:0}main{border:0;padding:0}}"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def to_html(report: Report, made: datetime) -> bytes:
    """The report as one page that needs nothing else, UTF-8."""
    parts = [
        f'<p class="result {"good" if report.proven else "bad"}">{_e(_result(report))}</p>',
        _definitions([*_facts(report), ("written", stamp(made))]),
        _findings_html(report),
        "<h2>What was tried</h2>",
        _summary_html(report),
        _not_covered_html(report),
        _identities_html(report),
        "<h2>Every probe</h2>",
        *(_family_html(report, family) for family in report.summary),
    ]
    title = f"Proof of {report.target}: {'proven' if report.proven else 'NOT PROVEN'}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{_e(title)}</title>\n<style>{_STYLE}</style></head>\n<body><main>\n<h1>Proof of {_e(report.target)}</h1>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main></body></html>\n"
    ).encode()


def _e(text: str) -> str:
    return html.escape(_shown(text))


def _definitions(rows: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{_e(name)}</dt><dd>{_e(value)}</dd>" for name, value in rows) + "</dl>"


def _fate(text: str, *, good: bool) -> str:
    return f'<td class="{"w" if good else "w no"}">{text}</td>'


def _findings_html(report: Report) -> str:
    if not report.findings:
        return ""
    return "<h2>What went wrong</h2>\n" + "\n".join(
        f"<article><strong>{'Inconclusive' if v.inconclusive else 'Failed'}</strong> <code>{_e(v.case.id)}</code>"
        + _definitions(
            [
                ("expected", str(v.case.expected)),
                ("seen", v.evidence),
                ("why", v.case.why),
                *([("route", v.case.route)] if v.case.route else []),
                ("as", f"{'nobody' if v.case.identity == NOBODY else v.case.identity}, {v.case.protocol}"),
            ]
        )
        + "</article>"
        for v in report.findings
    )


def _summary_html(report: Report) -> str:
    rows = "".join(
        f'<tr><td>{_e(WORDS[family])}</td><td class="n">{tried}</td><td class="n">{passed}</td>'
        f'<td class="n{" no" if tried > passed else ""}">{tried - passed or ""}</td></tr>\n'
        for family, (tried, passed) in report.summary.items()
    )
    return (
        '<table><thead><tr><th>Attack</th><th class="n">Tried</th><th class="n">Passed</th><th class="n">Failed</th></tr></thead>'
        f"<tbody>\n{rows}</tbody></table>"
    )


def _not_covered_html(report: Report) -> str:
    if not report.not_covered:
        return ""
    items = "".join(f"<li>{_e(_left_out(n.what, n.why, n.cases))}</li>\n" for n in report.not_covered)
    return f"<h2>What was not tried</h2>\n<ul>\n{items}</ul>"


def _identities_html(report: Report) -> str:
    if not report.identities:
        return ""
    rows = "".join(
        f"<tr><td>{_e(i.description)}</td><td>{_e(i.authority)}{' (stand-in)' if i.twin else ''}</td>"
        f"<td><code>{_e(i.serial)}</code></td><td class='w'>{_e(stamp(i.not_after))}</td>"
        f"{_fate('gone' if i.gone else 'NOT GONE', good=i.gone)}</tr>\n"
        for i in report.identities
    )
    opened = "" if all(i.gone for i in report.identities) else " open"
    return (
        f"<h2>Test certificates</h2>\n<details{opened}><summary>{_e(_identities(report))}</summary><table><thead><tr><th>As whom</th>"
        f"<th>Authority</th><th>Serial number</th><th>Ends</th><th>Now</th></tr></thead><tbody>\n{rows}</tbody></table></details>"
    )


def _family_html(report: Report, family: Family) -> str:
    verdicts = [v for v in report.verdicts if v.case.family is family]
    rows = "".join(
        f"<tr><td><code>{_e(v.case.id)}</code></td><td>{_e(str(v.case.expected))}</td><td>{_e(v.evidence)}</td>"
        f"{_fate('passed' if v.passed else 'FAILED', good=v.passed)}</tr>\n"
        for v in verdicts
    )
    passed = sum(v.passed for v in verdicts)
    return (
        f"<details><summary>{_e(WORDS[family])}: {passed} of {len(verdicts)} passed</summary><table><thead><tr><th>Probe</th>"
        f"<th>Expected</th><th>Seen</th><th></th></tr></thead><tbody>\n{rows}</tbody></table></details>"
    )
