"""What the configuration and the prover agree on about test identities."""

MARK = "gatewright canary"
"""The organizational unit (OU) in the subject of every test certificate."""

SOCKET = "canary.sock"
"""The canary's unix socket, in httpd's ``DefaultRuntimeDir``: a folder that httpd's children can reach."""
