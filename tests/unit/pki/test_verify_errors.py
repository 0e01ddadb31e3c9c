"""The table of error numbers is complete, and follows OpenSSL's own header and wording."""

from __future__ import annotations

import ctypes
import ctypes.util
import re
from pathlib import Path

import pytest
from OpenSSL._util import ffi, lib

from gatewright.pki.openssl_errors import ERRORS, Facts, explain

HEADER = Path("/usr/include/openssl/x509_vfy.h")
UNKNOWN = "unknown certificate verification error"


@pytest.mark.skipif(not HEADER.exists(), reason="OpenSSL's headers are not installed")
def test_every_number_of_the_header_is_explained_under_its_symbol() -> None:
    """Each X509_V_ERR_ constant of the installed header is in the table, with its number."""
    constants = re.findall(r"define (X509_V_(?:ERR_\w+|OK))\s+(\d+)", HEADER.read_text())
    assert len(constants) > 90
    ours = {entry.symbol: number for number, entry in ERRORS.items()}
    assert {symbol: ours.get(symbol) for symbol, _ in constants} == {symbol: int(n) for symbol, n in constants}


def host_text(number: int) -> str:
    library = ctypes.CDLL(ctypes.util.find_library("crypto"))
    library.X509_verify_cert_error_string.restype = ctypes.c_char_p
    library.X509_verify_cert_error_string.argtypes = [ctypes.c_long]
    return str(library.X509_verify_cert_error_string(number).decode())


@pytest.mark.skipif(ctypes.util.find_library("crypto") is None, reason="no libcrypto on this host")
@pytest.mark.parametrize("number", range(120))
def test_wording_is_the_hosts(number: int) -> None:
    """OpenSSL's text stands in the table for every number that the host's library knows."""
    theirs = host_text(number)
    assert theirs in {UNKNOWN, explain(number).text}


@pytest.mark.parametrize("number", range(120))
def test_no_number_of_the_newest_openssl_is_missing(number: int) -> None:
    """Every number that the library inside pyOpenSSL has a text for is in the table."""
    theirs = ffi.string(lib.X509_verify_cert_error_string(number)).decode()
    assert theirs == UNKNOWN or number in ERRORS


@pytest.mark.parametrize("number", ERRORS)
def test_every_entry_says_meaning_cause_and_fix(number: int) -> None:
    """Nothing is empty, every placeholder is known, and no text of OpenSSL stands in for an explanation."""
    entry = explain(number)
    assert entry.number == number
    for text in (entry.meaning, entry.cause(Facts()), entry.fix(Facts())):
        assert len(text) >= 10
        assert "{" not in text
        assert text != entry.text


def test_an_unknown_number_is_told_as_such() -> None:
    """A number of a future OpenSSL is named, not guessed at."""
    told = explain(4711)
    assert "4711" in told.cause(Facts())
    assert "4711" in told.fix(Facts())


def test_values_cannot_smuggle_placeholders() -> None:
    """A certificate whose name looks like a placeholder is shown as it is."""
    assert "'CN={at}'" in explain(10).cause(Facts(who="'CN={at}'"))
