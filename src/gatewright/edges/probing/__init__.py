"""Asking a gateway from outside: TLS with every knob turned, HTTP/1.1 byte by byte, HTTP/2, and the canary."""
