from pathlib import Path

from scan2seg.adapter import job
from scan2seg.config.simulation import SimulationSettings
from scan2seg.simulation.scan import simulate_scan


def main(snakemake):
    settings = SimulationSettings.model_validate(snakemake.params.settings)
    output, labels = Path(snakemake.output.projections), Path(snakemake.output.labels)
    with job(snakemake) as needed:
        if needed:
            simulate_scan(output, labels, settings, threads=snakemake.threads)


if __name__ == "__main__":
    main(snakemake)
