"""One concern each: every pass adds its directives to the tree."""
