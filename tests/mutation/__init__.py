"""The proof of the prover: weakens the generated configuration line by line and looks whether ``prove`` notices."""
