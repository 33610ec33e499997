"""Training: patches to a checkpoint, through Lightning for networks and ``fit`` for classical models."""
