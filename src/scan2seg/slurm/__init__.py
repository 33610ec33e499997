"""What Snakemake's Slurm plugin lacks: patience with a controller that is away, and the jobs of a dead snakemake."""
