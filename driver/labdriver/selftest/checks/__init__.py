"""The proofs, one a file; each exports CHECK."""
