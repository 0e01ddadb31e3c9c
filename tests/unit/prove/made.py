"""A gateway with every kind of door, and supplies to mint test identities for it."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.live.pki import make

from gatewright.model.gateway import Gateway
from gatewright.model.pki import KeyKind
from gatewright.pki.keys import generate
from gatewright.prove.minting import Signer, Supplies
from gatewright.source import load

GATEWAY = """
gateway: [api.example.org, alias.example.org]
listen: 8443
authorities:
  home: { managed: true }
  globex: { anchor: globex.pem }
clients:
  alice: { authority: home, san: alice.example.org }
  bob: { authority: home, san: bob.example.org }
  erp: { authority: globex, subject: { organization: Globex, common_name: erp } }
  unit: { authority: globex, subject: { organizational_unit: Sales } }
routes:
  /:         { respond: { text: top }, access: public }
  /open/:    { backend: "http://127.0.0.1:9001", access: public }
  /any/:     { files: site, access: any-client }
  /any/deep: { respond: { text: exact }, access: [alice] }
  /alice/:   { backend: "http://127.0.0.1:9001", access: [alice], methods: [GET, POST] }
  /erp/:     { backend: "http://127.0.0.1:9001", access: [erp, unit] }
"""
NOW = datetime.now(UTC)


def gateway(text: str = GATEWAY) -> Gateway:
    """What ``text`` declares."""
    return load(text, "gateway.yaml").gateway


def supplies(*names: str) -> Supplies:
    """Issuing CAs with their keys."""
    root = make("root", ca=True)
    pairs = {name: make(f"{name} issuing", root, ca=True) for name in names or ("home", "globex")}
    return Supplies(
        NOW,
        lambda: generate(KeyKind.P256),
        lambda: rsa.generate_private_key(65537, 1024),
        x509.random_serial_number,
        {name: pair.certificate for name, pair in pairs.items()},
        {name: Signer(pair.certificate, pair.key) for name, pair in pairs.items()},
    )
