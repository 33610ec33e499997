from pathlib import Path

from scan2seg.adapter import job
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan
from scan2seg.reconstruction.scan import reconstruct_scan
from scan2seg.workers import find_workers


def main(snakemake):
    settings = ReconstructionSettings.model_validate(snakemake.params.settings)
    source = RawScan.model_validate(snakemake.params.source)
    with job(snakemake) as needed:
        if needed:
            reconstruct_scan(
                source,
                Path(snakemake.output.volume),
                settings,
                threads=snakemake.threads,
                splits=snakemake.params.splits,
                workers=find_workers(snakemake),
            )


if __name__ == "__main__":
    main(snakemake)
