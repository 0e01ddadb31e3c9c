"""Gatewright: one declarative file becomes a running, proven mutual-TLS gateway on Apache httpd."""

__version__ = "0.1.0"
__all__ = ["__version__"]
