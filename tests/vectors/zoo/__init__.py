"""Certificates with hostile contents, all truly signed by their authority. A function's docstring is the page of its case.

``CASES`` lists them all; each name begins with the section of the standard it is about. ``CLIENTS`` are the clients that a
case may or may not be taken for, one for each kind of matcher.
"""

from tests.vectors.zoo import alternatives, rest, subjects
from tests.vectors.zoo.kit import CASES, CLIENTS, Case

__all__ = ["CASES", "CLIENTS", "Case", "alternatives", "rest", "subjects"]
