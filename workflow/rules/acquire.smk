# Where projections come from: a simulation, or the user's files.
include: "../functions/acquire.smk"


rule simulate_scan:
    input:
        code=code("scan2seg.simulation.scan"),
    output:
        projections=f"{R}/{{dataset}}/scans/{{scan}}/projections.h5",
        labels=directory(f"{R}/{{dataset}}/scans/{{scan}}/labels.zarr"),
    log:
        f"{R}/logs/simulate_scan/{{dataset}}/{{scan}}.log",
    benchmark:
        f"{R}/benchmarks/simulate_scan/{{dataset}}/{{scan}}.tsv"
    conda:
        "../../envs/reconstruct.yaml"
    threads: 8
    resources:
        mem_mb=memory(4000),
        runtime=minutes(120),
        slurm_partition=partition,
        slurm_account=account,
    params:
        settings=lambda wildcards: SCANS[wildcards.dataset].scans()[wildcards.scan],
    script:
        "../scripts/simulate_scan.py"
