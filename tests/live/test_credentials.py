"""A password or a bearer token on top of a client certificate, on a whole gateway: real JWTs, real bcrypt, both or nobody."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey

from gatewright.edges.authorizer.process import LocalAuthorizer
from gatewright.edges.httpd import our_environment
from gatewright.model.credentials import KEY, Rule
from gatewright.wiring import places_of
from tests.live.backend import backend
from tests.live.conftest import Lab
from tests.live.gate import Gate, gateway, until
from tests.live.httpd import curl, running

pytestmark = pytest.mark.live

POLICY = """\
gateway: localhost
listen: {{port}}
authorities:
  home: {{{{ managed: true }}}}
clients:
  demo-client: {{{{ authority: home, san: demo-client.localhost }}}}
  other: {{{{ authority: home, san: other.localhost }}}}
routes:
  /open:         {{{{ respond: {{{{ text: open }}}}, access: public }}}}
  /bound/:       {{{{ backend: "http://127.0.0.1:{backend}", access: [demo-client], credentials: {{{{ bearer: {{{{ issuer: "https://login.example", audience: api, jwks: keys.json }}}} }}}} }}}}
  /bound/plain/: {{{{ backend: "http://127.0.0.1:{backend}", access: [demo-client] }}}}
  /bound/name/:  {{{{ backend: "http://127.0.0.1:{backend}", access: [demo-client], credentials: {{{{ basic: users.htpasswd }}}} }}}}
  /any/:         {{{{ files: site, access: any-client, credentials: {{{{ bearer: {{{{ issuer: "https://login.example", audience: api, jwks: keys.json, bound: optional }}}} }}}} }}}}
"""
PASSWORD = "correct horse battery staple"
ISSUER = {"iss": "https://login.example", "aud": "api"}
PROTOCOLS = list(product(("--http1.1", "--http2"), (("--tlsv1.2", "--tls-max", "1.2"), ("--tlsv1.3",))))


@dataclass
class Answer:
    """What curl saw."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def reason(self) -> str:
        """The reason code of a refusal."""
        return str(json.loads(self.body)["error"])

    @property
    def sent(self) -> dict[str, str]:
        """The fields that the backend was sent, which echoes them."""
        assert self.status == 200
        return {name.lower(): value for name, value in json.loads(self.body)["headers"]}


@dataclass
class World:
    """A running gateway and its issuer's keys."""

    gate: Gate
    ec: ECKey
    rsa: RSAKey

    def get(self, path: str, *words: str, client: str | None = "demo-client") -> Answer:
        """One request with curl."""
        command = [
            "curl",
            "-sS",
            "-i",
            "--max-time",
            "60",
            "--cacert",
            str(self.gate.folder / "certs/ca/home-root.pem"),
            *words,
        ]
        if client is not None:
            command += [
                "--cert",
                str(self.certificate(client)),
                "--key",
                str(self.certificate(client).with_suffix(".key")),
            ]
        done = subprocess.run(
            [*command, f"https://localhost:{self.gate.port}{path}"], capture_output=True, text=True, check=True
        )
        head, _, body = done.stdout.replace("\r", "").partition("\n\n")
        first, *lines = head.split("\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return Answer(int(first.split()[1]), headers, body)

    def certificate(self, client: str) -> Path:
        """The chain of a client."""
        return self.gate.folder / "clients" / client / f"{client}.pem"

    def thumbprint(self, client: str = "demo-client") -> str:
        """``x5t#S256`` of a client's certificate (RFC 8705 §3.1)."""
        first = self.certificate(client).read_text().split("-----END")[0].split("CERTIFICATE-----")[1]
        return base64.urlsafe_b64encode(hashlib.sha256(base64.b64decode(first)).digest()).decode().rstrip("=")

    def token(
        self,
        *,
        header: dict[str, Any] | None = None,
        key: Any = None,
        algorithms: list[str] | None = None,
        **claims: Any,
    ) -> str:
        """A token that is good for /bound/ but for what is said; ``None`` leaves a claim out."""
        every = {
            **ISSUER,
            "sub": "joe",
            "exp": int(time.time()) + 600,
            "cnf": {"x5t#S256": self.thumbprint()},
            **claims,
        }
        kept = {name: value for name, value in every.items() if value is not None}
        return jwt.encode(header or {"alg": "ES256", "kid": "one"}, kept, key or self.ec, algorithms=algorithms)

    def bearer(self, path: str, token: str, *words: str, client: str | None = "demo-client") -> Answer:
        """One request with a token."""
        return self.get(path, "-H", f"Authorization: Bearer {token}", *words, client=client)

    def authorizers(self) -> list[int]:
        """Processes of this gateway's authorizer."""
        lines = subprocess.run(
            ["ps", "-wweo", "pid,args"], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        copies = {
            str(self.gate.folder),
            *(
                str(p.parent)
                for p in Path("/var/lib/gatewright").glob("*/gateway-folder")
                if p.read_text().strip() == str(self.gate.folder)
            ),
        }
        return [
            int(line.split()[0]) for line in lines if "authorizer.server" in line and any(c in line for c in copies)
        ]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One gateway for the whole module; tests leave it as they find it."""
    ec = ECKey.generate_key("P-256", parameters={"kid": "one", "use": "sig", "alg": "ES256"})
    rsa = RSAKey.generate_key(2048, parameters={"kid": "two", "use": "sig"})
    with backend() as port, gateway(POLICY.format(backend=port)) as gate:
        gate.folder.joinpath("site").mkdir()
        gate.folder.joinpath("site/index.html").write_text("a page")
        gate.folder.joinpath("keys.json").write_text(
            json.dumps({"keys": [k.as_dict(private=False) for k in (ec, rsa)]})
        )
        added = gate.run("user", "add", "users.htpasswd", "joe", "--stdin", input=f"{PASSWORD}\n")
        assert added.returncode == 0, added.stderr
        up = gate.run("up", "--detach")
        assert up.returncode == 0, up.stderr
        assert gate.run("cert", "issue", "other").returncode == 0
        yield World(gate, ec, rsa)
        # It ends with its supervisor.
        assert gate.run("down").returncode == 0
        assert not World(gate, ec, rsa).authorizers()


@pytest.mark.parametrize(("http", "tls"), PROTOCOLS)
def test_certificate_and_token_together_are_admitted_and_neither_alone(
    world: World, http: str, tls: tuple[str, ...]
) -> None:
    """Over HTTP/1.1 and HTTP/2, TLS 1.2 and 1.3: both pass; no token is a 401, no or another's certificate a 403."""
    token = world.token()
    assert world.bearer("/bound/x", token, http, *tls).status == 200
    alone = world.get("/bound/x", http, *tls)
    assert (alone.status, alone.reason, alone.headers["www-authenticate"]) == (
        401,
        "credentials_required",
        'Bearer realm="localhost"',
    )
    bare = world.bearer("/bound/x", token, http, *tls, client=None)
    assert (bare.status, bare.reason) == (403, "client_certificate_required")
    stolen = world.bearer("/bound/x", token, http, *tls, client="other")
    assert (stolen.status, stolen.reason) == (403, "certificate_not_authorised")


def test_a_bound_token_is_worthless_with_another_certificate(world: World) -> None:
    """RFC 8705: where both certificates may use the route, the token still opens it only with its own."""
    own, others = world.token(), world.token(cnf={"x5t#S256": world.thumbprint("other")})
    assert world.bearer("/any/", own).status == 200
    assert world.bearer("/any/", others, client="other").status == 200
    for token, client in ((own, "other"), (others, "demo-client")):
        refused = world.bearer("/any/", token, client=client)
        assert (refused.status, refused.reason) == (401, "token_bound_to_another_certificate")
        assert refused.headers["www-authenticate"] == 'Bearer realm="localhost", error="invalid_token"'


def test_an_unbound_token_passes_only_where_that_is_declared(world: World) -> None:
    """``bound: optional`` takes it, the default does not; a binding that cannot be checked is refused in both."""
    assert world.bearer("/any/", world.token(cnf=None)).status == 200
    refused = world.bearer("/bound/x", world.token(cnf=None))
    assert (refused.status, refused.reason) == (401, "token_bound_to_another_certificate")
    assert world.bearer("/any/", world.token(cnf={"jkt": "A" * 43})).status == 401


def _confused(kid: str, body: str, public: bytes) -> str:
    """A token whose HMAC key is the issuer's public key; made by hand, because the library does not let itself be used for it."""
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": kid}).encode()).decode().rstrip("=")
    tag = hmac.digest(public, f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64.urlsafe_b64encode(tag).decode().rstrip('=')}"


def _forgeries(world: World) -> dict[str, str]:
    now = int(time.time())
    public = world.rsa.as_pem(private=False)
    stranger = ECKey.generate_key("P-256")
    good = world.token()
    head, body, signature = good.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    bound = {"x5t#S256": world.thumbprint()}
    half = json.dumps({**ISSUER, "sub": "\ud800", "exp": now + 600, "cnf": bound}).encode()
    return {
        "alg none": f"{none}.{body}.",
        "alg none, with a signature": f"{none}.{body}.{signature}",
        "HS256 with the public key": _confused("two", body, public),
        "HS256 with the public key, and another kid": _confused("one", body, public),
        "another algorithm than the key's": world.token(header={"alg": "RS256", "kid": "one"}, key=world.rsa),
        "somebody else's key": world.token(key=stranger),
        "somebody else's key in the token": world.token(header={"alg": "ES256", "jwk": stranger.as_dict(private=False)}, key=stranger),
        "unknown kid": world.token(header={"alg": "ES256", "kid": "three"}),
        "no kid though there are two keys": world.token(header={"alg": "ES256"}),
        "kid that is a path": world.token(header={"alg": "ES256", "kid": "../../../../dev/null"}),
        "kid that is no text": ".".join((base64.urlsafe_b64encode(b'{"alg":"ES256","kid":["one"]}').decode().rstrip("="), body, signature)),
        "algorithm that is no text": ".".join((base64.urlsafe_b64encode(b'{"alg":["ES256"],"kid":"one"}').decode().rstrip("="), body, signature)),
        "expires at a number that no clock holds": world.token(exp=10**400),
        "half a character as subject": jws.serialize_compact({"alg": "ES256", "kid": "one"}, half, world.ec),
        "a subject too long to be told whole": world.token(sub="a" * 257),
        "another issuer": world.token(iss="https://login.example.evil"),
        "issuer with a slash": world.token(iss="https://login.example/"),
        "another audience": world.token(aud="apis"),
        "no audience": world.token(aud=None),
        "expired": world.token(exp=now - 120),
        "never expires": world.token(exp=None),
        "expires at a text": world.token(exp=str(now + 600)),
        "not yet valid": world.token(nbf=now + 3_600),
        "issued tomorrow": world.token(iat=now + 86_400),
        "another type": world.token(header={"alg": "ES256", "kid": "one", "typ": "logout+jwt"}),
        "body changed": f"{head}.{body[:-2]}AA.{signature}",
        "signature cut": f"{head}.{body}.{signature[:-4]}",
        "five parts": f"{good}.A.A",
        "oversized": world.token(padding="A" * 9000),
        "not a token": "gatewright",
        "blank": " ",
        "nested deeply": base64.urlsafe_b64encode(b"[" * 4000).decode().rstrip("=") + ".A.A",
    }  # fmt: skip


def test_no_forgery_passes(world: World) -> None:
    """Each of the well-known attacks on JWTs ends in 401 with its reason; the good ones around them pass."""
    for name, token in _forgeries(world).items():
        refused = world.bearer("/any/", token)
        assert (refused.status, refused.reason) == (401, "token_invalid"), name
    assert world.bearer("/any/", world.token()).status == 200
    assert world.bearer("/any/", world.token(header={"alg": "RS256", "kid": "two"}, key=world.rsa)).status == 200
    assert world.bearer("/any/", world.token(aud=["else", "api"])).status == 200
    log = (world.gate.folder / "logs" / "authorizer.log").read_text()
    assert "expired" in log
    assert "eyJ" not in log  # no token is ever logged
    assert "Traceback" not in log
    assert world.bearer("/any/", world.token(sub="a" * 256)).status == 200


def test_one_field_one_token(world: World) -> None:
    """Two Authorization fields, a list in one, another scheme and another case of the scheme."""
    good = world.token()
    two = ("-H", f"Authorization: Bearer {good}", "-H", f"Authorization: Bearer {good}")
    for http in ("--http1.1", "--http2"):
        assert world.get("/any/", *two, http).status in {400, 401}
    assert world.get("/any/", "-H", f"Authorization: Bearer {good}, Bearer {good}").status == 401
    assert world.get("/any/", "-u", f"joe:{PASSWORD}").reason == "token_invalid"
    assert world.get("/any/", "-H", f"Authorization: Basic {good}").status == 401
    assert world.get(f"/any/?access_token={good}").status == 401
    assert world.get("/any/", "-H", f"authorization: bearer {good}").status == 200


def test_what_a_token_points_at_is_never_fetched(world: World) -> None:
    """``jku`` and ``x5u`` are bait: nobody connects there."""
    with socket.create_server(("127.0.0.1", 0)) as bait:
        address = f"https://127.0.0.1:{bait.getsockname()[1]}/keys.json"
        key = ECKey.generate_key("P-256")
        for name in ("jku", "x5u"):
            header = {"alg": "ES256", "kid": "new", name: address}
            payload = json.dumps({**ISSUER, "exp": int(time.time()) + 60}).encode()
            token = jws.serialize_compact(header, payload, key)
            assert world.bearer("/any/", token).reason == "token_invalid"
        bait.setblocking(False)
        with pytest.raises(BlockingIOError):
            bait.accept()


def test_what_a_backend_learns(world: World) -> None:
    """A token goes on with its subject, percent-encoded; a password stays here, its user goes on; nobody can say so himself."""
    lie = ("-H", "X-Token-Subject: root", "-H", "X_Basic_User: root")
    sent = world.bearer("/bound/x", world.token(sub="jö\r\nX-Evil: 1"), *lie).sent
    assert sent["x-token-subject"] == "j%C3%B6%0D%0AX-Evil%3A%201"
    assert sent["authorization"].startswith("Bearer ")
    assert "root" not in sent.values()
    sent = world.get("/bound/name/x", "-u", f"joe:{PASSWORD}", *lie).sent
    assert sent["x-basic-user"] == "joe"
    assert {"authorization", "x-token-subject"}.isdisjoint(sent)
    assert "root" not in sent.values()
    # Below a route with a token, one without: nothing of it is inherited.
    sent = world.get("/bound/plain/x", "-H", "Authorization: Custom mine", *lie).sent
    assert sent["authorization"] == "Custom mine"
    assert {"x-basic-user", "x-token-subject"}.isdisjoint(sent)


@pytest.mark.parametrize(("http", "tls"), PROTOCOLS)
def test_certificate_and_password_together_are_admitted_and_neither_alone(
    world: World, http: str, tls: tuple[str, ...]
) -> None:
    """The same for passwords; a token is no password."""
    assert world.get("/bound/name/x", "-u", f"joe:{PASSWORD}", http, *tls).status == 200
    alone = world.get("/bound/name/x", http, *tls)
    assert (alone.status, alone.reason, alone.headers["www-authenticate"]) == (
        401,
        "credentials_required",
        'Basic realm="localhost"',
    )
    wrong = world.get("/bound/name/x", "-u", "joe:wrong horse", http, *tls)
    assert (wrong.status, wrong.reason) == (401, "credentials_invalid")
    assert world.bearer("/bound/name/x", world.token(), http, *tls).status == 401
    assert (
        world.get("/bound/name/x", "-u", f"joe:{PASSWORD}", http, *tls, client=None).reason
        == "client_certificate_required"
    )
    assert (
        world.get("/bound/name/x", "-u", f"joe:{PASSWORD}", http, *tls, client="other").reason
        == "certificate_not_authorised"
    )
    page = world.get("/bound/name/x", "-H", "Accept: text/html", http, *tls)
    assert "<code>credentials_required</code> (401)" in page.body


def test_users_come_and_go_without_a_reload(world: World) -> None:
    """A made password is shown once and works within a second; a removed user is refused; no password is an argument."""
    made = world.gate.json("user", "add", "users.htpasswd", "ann")["password"]
    until(lambda: world.get("/bound/name/x", "-u", f"ann:{made}").status == 200)
    assert set(world.gate.json("user", "list", "users.htpasswd")["users"]) == {"joe", "ann"}
    assert world.gate.run("user", "remove", "users.htpasswd", "ann").returncode == 0
    until(lambda: world.get("/bound/name/x", "-u", f"ann:{made}").status == 401)
    assert made not in (world.gate.folder / "users.htpasswd").read_text()
    assert world.gate.run("user", "remove", "users.htpasswd", "ann").returncode == 2
    assert world.gate.run("user", "add", "users.htpasswd", "a:b").returncode == 2
    assert world.gate.run("user", "add", "users.htpasswd", "bob", "--stdin", input="short\n").returncode == 2


def test_keys_are_read_anew_and_without_them_nobody_passes(world: World) -> None:
    """A key that its issuer withdraws is refused; a broken key set shuts its routes and nothing else."""
    keys = world.gate.folder / "keys.json"
    good = keys.read_text()
    try:
        keys.write_text(json.dumps({"keys": [world.rsa.as_dict(private=False)]}))
        until(lambda: world.bearer("/any/", world.token()).status == 401)
        keys.write_text("{")
        until(lambda: world.bearer("/any/", world.token()).status == 503)
        assert world.bearer("/bound/x", world.token()).reason == "credentials_unavailable"
        assert world.get("/open").status == 200
        assert world.get("/bound/name/x", "-u", f"joe:{PASSWORD}").status == 200
    finally:
        keys.write_text(good)
    until(lambda: world.bearer("/any/", world.token()).status == 200)


def test_a_killed_authorizer_admits_nobody_and_comes_back(world: World) -> None:
    """While it is stopped or gone nobody passes with a token, and the next one is there by itself, on the very same port."""
    (before,) = world.authorizers()
    os.kill(before, signal.SIGKILL)
    until(lambda: len(world.authorizers()) == 1 and world.authorizers() != [before])
    assert world.bearer("/any/", world.token()).status == 200
    assert world.bearer("/any/", world.token(exp=1)).status == 401


def test_a_hung_authorizer_is_ended_and_the_next_one_answers(world: World) -> None:
    """Requests that wait for it are judged by the next one, long before the 30 seconds after which mod_authnz_fcgi refuses them."""
    (before,) = world.authorizers()
    os.kill(before, signal.SIGSTOP)
    # Each fails at curl's own limit, which is less than httpd's: see the twin.
    assert world.bearer("/any/", world.token(), "--max-time", "25").status == 200
    assert world.authorizers() != [before]
    assert world.bearer("/any/", world.token(exp=1)).status == 401
    said = (world.gate.folder / "logs" / "gatewright.log").read_text()
    assert "gave no sign of life and was ended" in said


@pytest.mark.slow
def test_twin_unwatched_a_hung_authorizer_holds_requests_until_httpd_refuses_them(world: World) -> None:
    """What the watching is for: with nobody to end it, httpd waits out its 30 seconds, and then admits nobody either."""
    (pid,), supervisor = world.authorizers(), int(world.gate.json("status")["pid"])
    for stopped in (supervisor, pid):
        os.kill(stopped, signal.SIGSTOP)
    try:
        with pytest.raises(subprocess.CalledProcessError):
            world.bearer("/any/", world.token(), "--max-time", "25")
        refused = world.bearer("/any/", world.token())
        assert (refused.status, refused.reason) == (503, "credentials_unavailable")
    finally:
        for stopped in (pid, supervisor):
            os.kill(stopped, signal.SIGCONT)
    until(lambda: world.bearer("/any/", world.token()).status == 200)


def test_nobody_can_take_the_authorizers_port_nor_answer_in_its_place(world: World) -> None:
    """The supervisor holds the port; and an answer without the key, made by whoever, is a refusal."""
    (pid,) = world.authorizers()
    listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout
    (line,) = [entry for entry in listening.splitlines() if f"pid={pid}," in entry]
    address, _, port = line.split()[3].rpartition(":")
    assert address == "127.0.0.1"
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        for host in ("127.0.0.1", "0.0.0.0"):
            with socket.socket() as squatter:
                squatter.setsockopt(socket.SOL_SOCKET, option, 1)
                with pytest.raises(OSError):  # noqa: PT011 - whichever error
                    _listen(squatter, host, int(port))
    # Garbage and half a request change nothing for others.
    for sent in (
        b"",
        b"GET / HTTP/1.0\r\n\r\n",
        b"\x01\x04\x00\x01\xff\xff\x00\x00",
        b"\x01\x01\x00\x01\x00\x08\x00\x00",
    ):
        with socket.create_connection(("127.0.0.1", int(port))) as connection:
            connection.sendall(sent)
    assert world.bearer("/any/", world.token()).status == 200


def _listen(squatter: socket.socket, host: str, port: int) -> None:
    squatter.bind((host, port))
    squatter.listen()


def test_the_authorizer_has_no_rights_of_root(world: World) -> None:
    """What reads strangers' tokens does not run as root; and no secret is in anybody's arguments."""
    (pid,) = world.authorizers()
    uid = int(
        next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Uid:")).split()[
            1
        ]
    )
    assert (uid == 0) is False if os.getuid() == 0 else uid == os.getuid()
    arguments = subprocess.run(["ps", "-wweo", "args"], capture_output=True, text=True, check=True).stdout
    assert "GATEWRIGHT_AUTHORIZER_KEY" not in arguments


ALONE = """\
gateway: localhost
listen: 0
authorities:
  home: { managed: true }
routes:
  /any/: { respond: { text: in }, access: any-client, credentials: { bearer: { issuer: "https://login.example", audience: api, jwks: keys.json, bound: optional } } }
"""


@pytest.mark.parametrize(
    ("answers", "shared", "status"),
    [(True, "its", 200), (True, "another", 401), (True, "none", 403), (False, "its", 503)],
    ids=["the true one", "an impostor", "an impostor, and no key", "nobody"],
)
def test_only_the_true_authorizer_admits(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: bool, shared: str, status: int
) -> None:
    """A good token, and whoever answers: the holder of the key admits, an impostor on the same port does not, nor does silence."""
    key = ECKey.generate_key("P-256", parameters={"kid": "one"})
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    authorizer = LocalAuthorizer(tmp_path, tmp_path / "authorizer.log", our_environment(), None)
    keys = {"its": authorizer.key, "another": "0" * 64}
    if shared in keys:
        monkeypatch.setenv(KEY, keys[shared])
    else:
        monkeypatch.delenv(KEY, raising=False)
    port = authorizer.port if answers else 1

    def change(text: str) -> str:
        return text.replace("Define GW_AUTHORIZER_PORT 1", f"Define GW_AUTHORIZER_PORT {port}")

    token = jwt.encode({"alg": "ES256", "kid": "one"}, {**ISSUER, "exp": int(time.time()) + 600}, key)
    try:
        authorizer.keep(wanted=answers)
        with running(ALONE, tmp_path, {"home": lab.home}, change=change) as gate:
            gate.expect("AH01630", "AH01631", "AH02495")
            done = curl(gate, "/any/x", *lab.arguments("alice"), "-H", f"Authorization: Bearer {token}")
            assert int(done.stdout.rsplit("\n", 1)[-1].split()[0]) == status, done.stdout
            assert ("credentials_unavailable" in done.stdout) == (status == 503)
    finally:
        authorizer.close()


@pytest.mark.slow
def test_a_proof_notices_when_credentials_are_no_longer_demanded(world: World) -> None:
    """With the line that demands a password taken out, the proof of the running gateway fails; as it was, it passes."""
    conf = world.gate.folder / "generations" / "current" / "httpd.conf"
    pid = int((world.gate.folder / "run" / "httpd.pid").read_text())
    good = conf.read_text()
    assert world.gate.run("prove").returncode == 0
    try:
        conf.write_text(good.replace("      Require valid-user\n", ""))
        os.kill(pid, signal.SIGUSR1)
        until(lambda: world.get("/bound/name/x").status == 200)
        done = world.gate.run("prove")
        assert done.returncode == 1
        assert "credentials:" in done.stdout + done.stderr
    finally:
        conf.write_text(good)
        os.kill(pid, signal.SIGUSR1)
    until(lambda: world.get("/bound/name/x").status == 401)


def _proof(world: World) -> Any:
    return world.gate.json("prove")


def _said(told: Any, text: str) -> set[str]:
    return {v["id"] for v in told["verdicts"] if text in v["id"]}


def test_good_credentials_are_proved_at_a_shadow_instance(world: World) -> None:
    """A password and a token that only the shadow instance takes: in with the right certificate, and not with any other."""
    told = _proof(world)
    assert told["proven"], [(v["id"], v["evidence"]) for v in told["verdicts"] if not v["passed"]]
    good = {v["id"] for v in told["verdicts"] if "that is good" in v["id"] and v["seen"].get("status") == 200}
    for whose in ("/bound/ a token", "/bound/name/ a password", "/any/ a token"):
        assert any(whose in case for case in good), whose
    for wrong in (
        "expired",
        "for another audience",
        "of another issuer",
        "bound to another certificate",
        "another password or key",
    ):
        assert _said(told, f"that is {wrong}"), wrong
    for who in ("none, /any/", "revoked of home as demo-client, /bound/", "client of home as other, /bound/"):
        assert any(who in case and "that is good" in case for case in _said(told, "that is good")), who
    assert not [left for left in told["not_covered"] if left["what"] == "good passwords and tokens"]
    vouched = [v["ask"] for v in told["verdicts"] if v["ask"].get("voucher")]
    assert vouched
    assert not [ask for ask in vouched if "headers" in ask]  # no credential is ever reported


def test_twin_what_the_shadow_takes_the_gateway_does_not(world: World) -> None:
    """The canary's user and key exist nowhere but there: with them the real gateway refuses, and no file of it has them."""
    _proof(world)
    assert world.get("/bound/name/x", "-u", "gatewright-canary:whatever it was").reason == "credentials_invalid"
    stranger = ECKey.generate_key("P-256")
    token = world.token(header={"alg": "ES256", "kid": "gatewright-canary"}, key=stranger)
    assert world.bearer("/any/", token).reason == "token_invalid"
    assert b"gatewright-canary" not in (world.gate.folder / "users.htpasswd").read_bytes()
    assert b"gatewright-canary" not in (world.gate.folder / "keys.json").read_bytes()
    left = [
        *Path(places_of(world.gate.folder).visible).glob("**/credentials-twin"),
        *world.gate.folder.glob("**/credentials-twin"),
    ]
    assert not left


@pytest.mark.slow
@pytest.mark.parametrize("weakness", ["another audience", "passwords of nobody", "any certificate"])
def test_twin_a_weakness_that_only_good_credentials_show_is_found(world: World, weakness: str) -> None:
    """The generation's own file is weakened; the shadow instance is started on it."""
    configuration = world.gate.folder / "generations" / "current" / "httpd.conf"
    text = configuration.read_text()

    def rule(audience: str) -> str:
        return Rule("https://login.example", audience, "keys.json", "required").encoded()

    weak = {
        "another audience": text.replace(rule("api"), rule("api.invalid")),
        "passwords of nobody": text.replace("AuthBasicProvider file", "AuthBasicProvider anon"),
        "any certificate": re.sub(r"\(%\{SSL_CLIENT_SAN_DNS_0\} in \{'demo-client.localhost'\}\)", "(-n 'x')", text),
    }[weakness]
    assert weak != text
    configuration.write_text(weak)
    try:
        told = _proof(world)
    finally:
        configuration.write_text(text)
    failed = {v["id"] for v in told["verdicts"] if not v["passed"]}
    if weakness == "passwords of nobody":  # httpd does not even start on it, and that is said
        assert any(
            "stand-ins" in left["what"] or left["what"] == "good passwords and tokens" for left in told["not_covered"]
        )
    else:
        assert any(case.startswith("with stand-ins: credentials:") for case in failed), failed
