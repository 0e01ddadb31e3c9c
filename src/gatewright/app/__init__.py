"""Use cases: what each command does, in terms of ports."""
