"""What a partner's entry says about certificates that are to be signed for it."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509

from gatewright.errors import Diagnostic, FindingError
from gatewright.model.gateway import Gateway
from gatewright.model.matchers import EmailAddress, UriName
from gatewright.model.partners import Partner
from gatewright.model.values import HostName, Name


def refuse_for_partner(
    gateway: Gateway | None, authority: str, sans: Sequence[x509.GeneralName], *, by_subject: bool = False
) -> None:
    """Raises :class:`FindingError` where ``authority`` is a partner's that is disabled, or may not have these ``sans``.

    ``by_subject``: the certificate is for a client that is known by its subject, which no list of names covers.
    """
    name = gateway.partner_of(Name(authority)) if gateway is not None else None
    if gateway is None or name is None:
        return
    partner = gateway.partners[name]
    if partner.disabled:
        raise FindingError(
            Diagnostic(
                "partner-disabled",
                f"partner {str(name)!r} is disabled",
                "nothing is signed for a partner that is not let in",
                f"gatewright partner enable {name}, if it is to be let in again",
            )
        )
    refused = [str(san.value) for san in sans if not _allowed(partner, san)]
    refused += ["a subject"] if by_subject and partner.names else []
    if refused:
        raise FindingError(
            Diagnostic(
                "name-not-allowed",
                f"partner {str(name)!r} may not have certificates that carry {', '.join(map(repr, refused))}",
                f"its 'names' are {', '.join(partner.names)}",
                f"add the name to 'names' of partner {str(name)!r} in gateway.yaml, or have the request made for another one",
            )
        )


def _allowed(partner: Partner, san: x509.GeneralName) -> bool:
    match san:
        case x509.DNSName():
            return partner.allows(HostName(san.value))
        case x509.RFC822Name():
            return partner.allows(EmailAddress(san.value))
        case x509.UniformResourceIdentifier():
            return partner.allows(UriName(san.value))
    return not partner.names
