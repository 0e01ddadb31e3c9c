"""Chains that are wrong in exactly one way, each with the number OpenSSL must give. A vector's docstring is its page."""
