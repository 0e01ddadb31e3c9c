"""A gateway to httpd configuration: a tree of directives, quoted in one place, rendered in one place."""
