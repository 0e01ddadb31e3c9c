"""pkilint, in this process. Imported at the first lint: it takes 0.14 s and 240 modules, which no other command should pay."""

from __future__ import annotations

import functools
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.pki.lint import Finding, LintSeverity

_PACKAGES = ("pkilint", "pyasn1", "pyasn1-alt-modules", "pyasn1-fasder", "validators", "publicsuffixlist")

_SEVERITIES = {
    "FATAL": LintSeverity.FATAL,
    "ERROR": LintSeverity.ERROR,
    "WARNING": LintSeverity.WARNING,
    "NOTICE": LintSeverity.NOTICE,
    "INFO": LintSeverity.INFO,
    "DEBUG": LintSeverity.INFO,
}


class PkilintLinter:
    """The ``lint_pkix_cert`` set of DigiCert's pkilint: 104 checks of RFC 5280 and its updates.

    The CA/Browser Forum's sets are not used: they are rules for public CAs, which ours contradicts on purpose.
    """

    @property
    def release(self) -> str:
        """The versions of everything its verdict depends on, found without loading it."""
        try:
            return " ".join(f"{package} {version(package)}" for package in _PACKAGES)
        except PackageNotFoundError as error:
            raise _missing(error) from error

    def lint(self, certificate: bytes) -> tuple[Finding, ...]:
        """Everything found in the DER ``certificate``, worst first; its signature is not looked at.

        Bytes that are no certificate are a FATAL finding. Raises :class:`EnvironmentFault` if the linter is not installed.
        """
        loader, validator = _pkilint()
        try:
            document = loader.load_der_document(certificate, "certificate")
        except ValueError as error:
            return (Finding(LintSeverity.FATAL, "unreadable", "certificate", str(error)),)
        found = [
            Finding(_SEVERITIES[said.finding.severity.name], said.finding.code, result.node.path, said.message or "")
            for result in validator.validate(document.root)
            for said in result.finding_descriptions
        ]
        order = list(LintSeverity)
        return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


@functools.cache
def _pkilint() -> tuple[Any, Any]:
    """Loader and validator, put together as pkilint's own ``lint_pkix_cert`` command does."""
    try:
        from pkilint import loader  # type: ignore[import-untyped]  # noqa: PLC0415 - see the module's docstring
        from pkilint.pkix import certificate, extension, name  # type: ignore[import-untyped]  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise _missing(error) from error
    validator = certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )
    return loader.RFC5280CertificateDocumentLoader(), validator


def _missing(error: ImportError) -> EnvironmentFault:
    return EnvironmentFault(
        Diagnostic(
            "linter-missing",
            f"the certificate linter cannot be loaded: {error}",
            "no certificate is signed without having been linted",
            "install Gatewright again with its dependencies: pip install --force-reinstall gatewright",
        )
    )
