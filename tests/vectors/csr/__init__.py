"""Certificate requests, honest and hostile. Each function's docstring is the page of its case; its body builds the bytes.

Built with ``cryptography`` where it lets one, else with the ``openssl`` command. ``VECTORS`` lists them all.
"""

from tests.vectors.csr import framing, keys, names, wishes
from tests.vectors.csr.kit import VECTORS, Vector

__all__ = ["VECTORS", "Vector", "framing", "keys", "names", "wishes"]
