"""Accounts of this machine: who httpd's children become."""

from __future__ import annotations

import grp
import os
import pwd

from gatewright.errors import Diagnostic, EnvironmentFault
from gatewright.model.machine import RunAs

_CANDIDATES = ("www-data", "apache", "httpd", "_www", "nobody")
"""Debian, RHEL and Alpine, some others, macOS; ``nobody`` last, because other programs share it."""


class LocalAccounts:
    """Finds the account for httpd's children."""

    def unprivileged(self) -> RunAs | None:
        """The account for httpd's children when we are root; ``None`` when we are not. Raises ``EnvironmentFault``."""
        return self.candidate() if os.geteuid() == 0 else None

    def candidate(self) -> RunAs:
        """The first account there is of those that systems keep for httpd. Raises ``EnvironmentFault`` without any."""
        for name in _CANDIDATES:
            try:
                account = pwd.getpwnam(name)
                group = grp.getgrgid(account.pw_gid)
            except KeyError:
                continue
            if account.pw_uid != 0:
                return RunAs(name, group.gr_name, account.pw_uid, account.pw_gid)
        raise EnvironmentFault(
            Diagnostic(
                "no-unprivileged-account",
                f"none of the accounts {', '.join(_CANDIDATES)} exists",
                "started by root, httpd must hand its workers to an account without rights",
                "install httpd from the system's packages, or make one: `useradd --system --no-create-home www-data`",
            )
        )
