"""docs/images/handshake-*.svg: who says what in a mutual-TLS handshake, drawn from the lists below."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

_WIDTH, _LEFT, _RIGHT, _STEP = 760, 130, 630, 38
_CLEAR, _SEALED, _INK, _NOTE = "#b45309", "#0f766e", "#1f2937", "#f3f4f6"


@dataclass(frozen=True)
class Says:
    """One flight: from whom, what, and whether it is encrypted."""

    client: bool
    what: str
    sealed: bool


@dataclass(frozen=True)
class Does:
    """What one side does by itself."""

    client: bool
    what: str


Step = Says | Does

_ASK = (
    Says(True, "GET /protected/", True),
    Does(False, "asks the route's own rule"),
    Says(False, "200, or 403 with the reason", True),
)
_CHECK = Does(True, "verifies name, chain and signature")
_VERIFY = Does(False, "no certificate: goes on; a bad one: alert, the end")

TLS_13: tuple[Step, ...] = (
    Says(True, "ClientHello: key share, the name wanted (SNI)", False),
    Says(False, "ServerHello: key share", False),
    Says(False, "CertificateRequest: names of the CAs that count", True),
    Says(False, "Certificate, CertificateVerify, Finished", True),
    _CHECK,
    Says(True, "Certificate (or an empty one)", True),
    Says(True, "CertificateVerify: a signature by its key; Finished", True),
    _VERIFY,
    *_ASK,
)
TLS_12: tuple[Step, ...] = (
    Says(True, "ClientHello: the name wanted (SNI)", False),
    Says(False, "ServerHello, Certificate, ServerKeyExchange (signed)", False),
    Says(False, "CertificateRequest: names of the CAs that count", False),
    _CHECK,
    Says(True, "Certificate (or an empty one), ClientKeyExchange", False),
    Says(True, "CertificateVerify: a signature by its key", False),
    Says(True, "Finished", True),
    _VERIFY,
    Says(False, "Finished", True),
    *_ASK,
)


def drawn(title: str, steps: tuple[Step, ...]) -> str:
    """The steps as a picture without anything from elsewhere, with its own background for dark pages."""
    height = 110 + _STEP * len(steps)
    told = "; ".join(f"{'client' if s.client else 'gateway'}: {s.what}" for s in steps)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="t d" '
        f'font-family="system-ui, sans-serif" font-size="14">',
        f'<title id="t">{escape(title)}</title><desc id="d">{escape(told)}</desc>',
        f'<rect width="{_WIDTH}" height="{height}" rx="8" fill="#fff"/>',
        f'<text x="{_WIDTH / 2:.0f}" y="28" text-anchor="middle" font-weight="bold" fill="{_INK}">{escape(title)}</text>',
    ]
    for x, who in ((_LEFT, "client"), (_RIGHT, "gateway")):
        parts.append(f'<text x="{x}" y="58" text-anchor="middle" font-weight="bold" fill="{_INK}">{who}</text>')
        parts.append(f'<path d="M{x} 68V{height - 42}" stroke="#9ca3af" stroke-width="1.5"/>')
    for number, step in enumerate(steps):
        parts += _arrow(step, 92 + number * _STEP) if isinstance(step, Says) else _note(step, 92 + number * _STEP)
    for x, colour, text in ((_LEFT, _CLEAR, "readable on the way"), (_LEFT + 220, _SEALED, "encrypted")):
        parts.append(f'<path d="M{x} {height - 20}h28" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{x + 36}" y="{height - 15}" fill="{_INK}">{text}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _arrow(step: Says, y: int) -> list[str]:
    colour = _SEALED if step.sealed else _CLEAR
    start, tip, back = (_LEFT, _RIGHT, -9) if step.client else (_RIGHT, _LEFT, 9)
    return [
        f'<text x="{_WIDTH / 2:.0f}" y="{y - 6}" text-anchor="middle" fill="{_INK}">{escape(step.what)}</text>',
        f'<path d="M{start} {y}H{tip}" stroke="{colour}" stroke-width="2"/>',
        f'<path d="M{tip} {y}l{back} -5v10z" fill="{colour}"/>',
    ]


def _note(step: Does, y: int) -> list[str]:
    x = 20 if step.client else _WIDTH - 20 - 360
    return [
        f'<rect x="{x}" y="{y - 20}" width="360" height="25" rx="4" fill="{_NOTE}" stroke="#d1d5db"/>',
        f'<text x="{x + 180}" y="{y - 3}" text-anchor="middle" font-style="italic" fill="{_INK}">{escape(step.what)}</text>',
    ]


def tls_13() -> str:
    """The picture for TLS 1.3."""
    return drawn("Mutual TLS 1.3", TLS_13)


def tls_12() -> str:
    """The picture for TLS 1.2."""
    return drawn("Mutual TLS 1.2", TLS_12)
