"""The configuration: one module a part, so that a stage depends on the part it uses and on no other."""
