"""The gateway file: text in, :class:`~gatewright.model.gateway.Declared` out, or every problem at once with its place.

The dataclasses of :mod:`gatewright.model.gateway` are the only description of the file. From them come the decoder
(:func:`load`), the JSON Schema (:func:`schema`) and the reference page (:func:`reference`).
"""

from gatewright.source.loader import Misread, decode_text, load
from gatewright.source.reference import reference
from gatewright.source.schema import schema

__all__ = ["Misread", "decode_text", "load", "reference", "schema"]
