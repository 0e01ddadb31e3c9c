"""Everything impure, one module per outside thing. Only wiring imports it."""
