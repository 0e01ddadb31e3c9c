"""Certificates as values: profiles, building, requests, chains, lists. Keys, clocks and randomness arrive as arguments.

Usable on its own, module by module: ``docs/library.md`` lists what is public and shows each of it in a program that runs.
"""
