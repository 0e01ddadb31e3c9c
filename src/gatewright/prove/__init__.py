"""What must be tried at a gateway's doors, what must come of it, and what did: cases, verdicts and reports as data."""
