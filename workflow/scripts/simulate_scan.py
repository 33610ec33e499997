from pathlib import Path

from scan2seg.config.simulation import SimulationSettings
from scan2seg.logging import stage
from scan2seg.simulation.scan import simulate_scan


def main(snakemake):
    settings = SimulationSettings.model_validate(snakemake.params.settings)
    output, labels = Path(snakemake.output.projections), Path(snakemake.output.labels)
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        simulate_scan(output, labels, settings, threads=snakemake.threads)


if __name__ == "__main__":
    main(snakemake)
