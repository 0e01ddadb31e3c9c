"""How a route that a proof has found wanting is shut: by a file that httpd looks for before each request."""

from __future__ import annotations

import hashlib


def shut_name(route: str) -> str:
    """The name of the file that shuts ``route``: a route's path may hold anything, a file's name may not."""
    return hashlib.sha256(route.encode()).hexdigest()[:32]
