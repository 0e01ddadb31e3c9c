"""The gateway as values: what a user declared, what was found on the machine, what is handed from layer to layer.

Everything here is a frozen dataclass or a value type that refuses bad input when it is made. Nothing here does I/O.
"""
