"""Where a mutant meets the prover: a real httpd on the weakened tree, started as a shadow instance, with twins of every authority."""

from __future__ import annotations

import enum
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath, PurePosixPath

import bcrypt

from gatewright.app.members import subjects_of
from gatewright.app.proving import Proving, Target
from gatewright.app.vouched import demands_credentials, vouching
from gatewright.compile.gateway import CONFIGURATION, compile_gateway, tree
from gatewright.compile.inputs import Inputs
from gatewright.compile.ir import Node
from gatewright.compile.members import entries
from gatewright.compile.passes.credentials import AUTHORIZER_PORT, needs_authorizer
from gatewright.compile.render import render
from gatewright.edges.accounts import LocalAccounts
from gatewright.edges.authorizer.process import LocalAuthorizer
from gatewright.edges.httpd import LocalHttpd, our_environment
from gatewright.edges.openssl import OpenSsl
from gatewright.edges.probing.prober import LocalProber
from gatewright.edges.randomness import SystemRandomness
from gatewright.model.canary import SOCKET
from gatewright.model.credentials import KEY
from gatewright.model.machine import Layout, ServerIdentity
from gatewright.model.values import Name
from gatewright.ports.prober import Listener
from gatewright.prove.cases import Case, Family, Identity
from gatewright.prove.derive import Depth
from gatewright.prove.minting import Credential, Signer
from gatewright.prove.verdict import Seen, judge
from gatewright.prove.vouching import Vouching
from gatewright.source import load
from tests.live.backend import backend
from tests.live.httpd import put_members, secrets_of, site
from tests.live.pki import SERVER, Pair, make
from tests.live.proving import proving
from tests.mutation.gateways import FIRST, GATEWAYS, TABLES
from tests.mutation.operators import Mutant, anchor_mutants, mutants
from tests.ports import free_port

_READY_S = 60.0
_HELD = ("run", "logs", "pages", "rev", "generation")


class Fate(enum.StrEnum):
    """What became of a mutant."""

    KILLED = "killed by the proof"
    REFUSED = "refused by httpd"
    SURVIVED = "survived"
    ARGUED = "argued"


@dataclass(frozen=True)
class Result:
    """One mutant's fate. ``evidence`` is the first probe that noticed; ``shaky`` tells that it noticed only that nothing answered."""

    id: str
    operator: str
    fate: Fate
    evidence: str = ""
    shaky: bool = False
    seconds: float = 0.0


class Caught(Exception):
    """A probe did not see what it had to see: the proof has failed, and the rest of it is spared."""

    def __init__(self, evidence: str, *, shaky: bool) -> None:
        super().__init__(evidence)
        self.evidence, self.shaky = evidence, shaky


class Impatient:
    """The real prober, family by family, which stops at the first one with a finding. ``first`` is the family to begin with."""

    def __init__(self, secrets: Mapping[Name, tuple[str, ...]]) -> None:
        self._real = LocalProber()
        self._secrets = {str(name): found for name, found in secrets.items()}
        self.first: Family | None = None
        self.tried = 0

    def canary(self, socket: PurePath, nonce: str, gid: int | None) -> AbstractContextManager[None]:
        """The real one."""
        return self._real.canary(socket, nonce, gid)

    def run(
        self,
        listener: Listener,
        cases: Sequence[Case],
        credentials: Mapping[Identity, Credential],
        nonce: str,
        passes: Callable[[Case, Seen], bool],
    ) -> Sequence[Seen]:
        """Like the real one's. Raises :class:`Caught` where a case did not pass."""
        families = sorted(dict.fromkeys(case.family for case in cases), key=lambda f: f is not self.first)
        groups = [families[:1], families[1:]] if self.first in families else [families]
        found: dict[str, Seen] = {}
        for group in groups:
            chosen = [case for case in cases if case.family in group]
            seen = self._real.run(listener, chosen, credentials, nonce, passes)
            self.tried += len(chosen)
            verdicts = [judge(c, s, listener.certificate, self._secrets) for c, s in zip(chosen, seen, strict=True)]
            failed = sorted((v for v in verdicts if not v.passed), key=lambda v: v.inconclusive)
            if failed:
                one = failed[0]
                raise Caught(f"{one.case.id}: {one.evidence}", shaky=one.inconclusive)
            found.update((c.id, s) for c, s in zip(chosen, seen, strict=True))
        return [found[case.id] for case in cases]

    def while_revoked(
        self,
        listener: Listener,
        cases: Sequence[Case],
        credentials: Mapping[Identity, Credential],
        nonce: str,
        revoke: Callable[[], None],
    ) -> Sequence[tuple[Seen, Seen]]:
        """The real one's."""
        return self._real.while_revoked(listener, cases, credentials, nonce, revoke)


@dataclass
class Arena:
    """One gateway compiled in a folder of its own, ready to be started weakened, again and again."""

    name: str
    folder: Path
    inputs: Inputs
    authorities: Mapping[Name, Pair]
    signers: Mapping[Name, Signer]
    loads: str
    attack: Proving
    prober: Impatient
    vouching: Vouching
    authorizer: LocalAuthorizer

    def mutants(self) -> Iterator[Mutant]:
        """Every mutant, its id with the gateway's name before it."""
        nodes = tree(self.inputs)
        generation = Path(self.inputs.layout.generation)
        files = {path.name: path.read_bytes() for path in sorted(generation.glob("anchors*.pem"))}
        stranger = make("a CA that nobody declared", ca=True)
        imitation = make(next(iter(self.authorities.values())).certificate.subject, ca=True)
        foreign = {}
        for what, pair in (("a foreign CA", stranger), ("an imitation of a CA", imitation)):
            anchor = OpenSsl().anchor("foreign", pair.pem)
            foreign[what] = (anchor.pem.encode(), anchor.trusted_pem.encode())
        for mutant in (*mutants(nodes), *anchor_mutants(nodes, files, foreign)):
            yield replace(mutant, id=f"{self.name}/{mutant.id.removeprefix('/')}")

    def sound(self) -> Mutant:
        """The tree as it was compiled."""
        return Mutant(f"{self.name}: as compiled", "none", tree(self.inputs))

    def judge(self, mutant: Mutant) -> Result:
        """Start httpd on the mutant, prove it, stop it."""
        began = time.monotonic()
        fate, evidence, shaky = self._fate(mutant)
        return Result(mutant.id, mutant.operator, fate, evidence, shaky, round(time.monotonic() - began, 2))

    def _fate(self, mutant: Mutant) -> tuple[Fate, str, bool]:
        self.prober.first = next((family for word, family in FIRST if word in mutant.id), None)
        with self._running(mutant) as port:
            if port is None:
                return Fate.REFUSED, self._last_words(), False
            try:
                # What holds a connection for seconds is tried where it can matter, as ``prove --all`` does.
                depth = Depth.THOROUGH if "RequestReadTimeout" in mutant.id else Depth.SAMPLED
                report = self.attack(self._target(port), depth=depth)
            except Caught as caught:
                return Fate.KILLED, caught.evidence, caught.shaky
        if report.proven:
            return Fate.SURVIVED, "", False
        first = report.findings[0]
        return Fate.KILLED, f"{first.case.id}: {first.evidence}", first.inconclusive

    def _target(self, port: int) -> Target:
        account = self.inputs.run_as
        return Target(
            self.inputs.gateway,
            "",
            1,
            "127.0.0.1",
            port,
            (self.folder if account else self.folder / "run") / SOCKET,
            {name: pair.certificate for name, pair in self.authorities.items()},
            gid=account.gid if account else None,
            shadow=True,
            twins={str(name): signer for name, signer in self.signers.items()},
            vouching=self.vouching if demands_credentials(self.inputs.gateway) else None,
            secrets={str(name): found for name, found in self.inputs.secrets.items()},
        )

    @contextmanager
    def _running(self, mutant: Mutant) -> Iterator[int | None]:
        port, log = free_port(), self.folder / "logs" / "error.log"
        log.unlink(missing_ok=True)
        generation = Path(self.inputs.layout.generation)
        kept = {name: (generation / name).read_bytes() for name in mutant.files}
        for name, content in mutant.files.items():
            (generation / name).write_bytes(content)
        (generation / CONFIGURATION).write_bytes(self._text(mutant.nodes))
        with (self.folder / "out").open("wb") as output:
            process = subprocess.Popen(
                [str(self.inputs.httpd.binary), "-f", str(generation / CONFIGURATION), "-D", "FOREGROUND",
                 "-C", f"Define GW_PORT {port}", "-C", f"Define GW_LISTEN 127.0.0.1:{port}",
                 "-C", f"Define {AUTHORIZER_PORT.name} {self.authorizer.port}"],
                env={**os.environ, **our_environment(), KEY: self.authorizer.key}, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            yield port if _ready(process, log) else None
        finally:
            _stop(process)
            for name, content in kept.items():
                (generation / name).write_bytes(content)

    def _text(self, nodes: tuple[Node, ...]) -> bytes:
        return (self.loads + render(nodes)).encode()

    def _last_words(self) -> str:
        log = self.folder / "logs" / "error.log"
        told = (self.folder / "out").read_text(errors="replace") + (
            log.read_text(errors="replace") if log.exists() else ""
        )
        return (told.strip().splitlines() or ["nothing said"])[-1][-160:]


def _ready(process: subprocess.Popen[bytes], log: Path) -> bool:
    deadline = time.monotonic() + _READY_S
    while process.poll() is None and time.monotonic() < deadline:
        if log.exists() and "AH00489" in log.read_text(errors="replace"):
            return True
        time.sleep(0.02)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Children too: they are of the process's own group, and a proof leaves nothing that is worth an orderly end."""
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(5)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)


@contextmanager
def arena(name: str) -> Iterator[Arena]:
    """The gateway ``name`` of :data:`~tests.mutation.gateways.GATEWAYS`, in a temporary folder, with a real backend."""
    folder = Path(tempfile.mkdtemp(prefix="gatewright-mutation-"))
    folder.chmod(0o755)
    try:
        for part in _HELD:
            (folder / part).mkdir(mode=0o755)
        (folder / "rev" / ".ready").touch()
        site(folder)
        with backend() as port, proving(folder) as attack:
            inputs, authorities, signers = _inputs(
                folder, GATEWAYS[name].format(gate=8443, backend=port, dead=free_port(), shut=_another_day())
            )
            if name in TABLES:
                inputs = replace(inputs, table_from=1)
            subjects = subjects_of((a.authority, a.subject) for a in inputs.anchors)
            put_members(inputs.layout, entries(inputs.gateway, subjects))
            artifact = compile_gateway(inputs)
            for file in artifact.files:
                target = Path((inputs.layout.pages if file.public else inputs.layout.generation) / file.path)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.content)
                target.chmod(file.mode if file.mode == 0o600 else 0o644)
            text = next(f.content.decode() for f in artifact.files if f.path.name == CONFIGURATION)
            loads = "".join(f"{line}\n" for line in text.splitlines() if line.startswith("LoadModule"))
            prober, who = Impatient(inputs.secrets), vouching(SystemRandomness())
            with _vouched(inputs, folder, who) as authorizer:
                attacking = replace(attack, prober=prober)
                yield Arena(name, folder, inputs, authorities, signers, loads, attacking, prober, who, authorizer)
    finally:
        shutil.rmtree(folder)


@contextmanager
def _vouched(inputs: Inputs, folder: Path, who: Vouching) -> Iterator[LocalAuthorizer]:
    """Files of users and keys that hold the prover's alone, and who judges tokens by them."""
    (folder / "users").write_bytes(who.users(b"", bcrypt.gensalt(4)))
    (folder / "keys.json").write_bytes(who.keys(b'{"keys": []}'))
    account = inputs.run_as
    authorizer = LocalAuthorizer(
        folder, folder / "logs" / "authorizer.log", our_environment(), (account.uid, account.gid) if account else None
    )
    with closing(authorizer):
        authorizer.keep(wanted=needs_authorizer(inputs.gateway))
        yield authorizer


def _another_day() -> str:
    """A day of the week that is not near, so that a route open on it is shut now."""
    return f"{datetime.now(UTC) + timedelta(days=3):%a}".lower()


def _inputs(folder: Path, text: str) -> tuple[Inputs, dict[Name, Pair], dict[Name, Signer]]:
    gateway = load(text, "gateway.yaml").gateway
    server = make("server root", ca=True)
    chain, key = make(
        "server", server, usage=[SERVER], sans=list(dict.fromkeys([*gateway.served_names, "127.0.0.1"]))
    ).write(folder, "server")
    (folder / "server-root.pem").write_bytes(server.pem)
    # CAs that may have CAs below them, so that only the gateway's own rule can refuse those.
    authorities: dict[Name, Pair] = {}
    signers: dict[Name, Signer] = {}
    for name, declared in gateway.authorities.items():
        root = make(f"{name} root", ca=True)
        issuing = make(f"{name} issuing", root, ca=True)
        # An authority with one CA between anchor and clients is anchored at its root.
        authorities[name] = root if declared.depth else issuing
        above = (root.certificate,) if declared.depth else ()
        signers[name] = Signer(issuing.certificate, issuing.key, twin=True, above=above)
    pure, openssl = PurePosixPath(folder), OpenSsl()
    generation, run, logs, pages, revoked = (pure / part for part in ("generation", "run", "logs", "pages", "rev"))
    layout = Layout(pure, generation, run, logs, pages, revoked, files_root=pure)
    inputs = Inputs(
        gateway=gateway,
        httpd=LocalHttpd(os.environ).find(),
        layout=layout,
        identity=ServerIdentity(PurePosixPath(chain), PurePosixPath(key)),
        anchors=tuple(openssl.anchor(name, pair.pem) for name, pair in authorities.items()),
        run_as=LocalAccounts().unprivileged(),
        secrets=secrets_of(gateway),
    )
    return inputs, authorities, signers
