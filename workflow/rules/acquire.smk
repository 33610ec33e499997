# Where projections come from: a simulation, or the user's files.
rule simulate_scan:
    input:
        code=code_of("simulate_scan"),
    output:
        projections=f"{R}/simulations/{{simulation}}/projections.h5",
        labels=directory(f"{R}/simulations/{{simulation}}/labels.zarr"),
    log:
        f"{R}/logs/simulate_scan/{{simulation}}.log",
    benchmark:
        f"{R}/benchmarks/simulate_scan/{{simulation}}.tsv"
    conda:
        "../../envs/reconstruct.yaml"
    threads: 8
    resources:
        mem_mb=memory(4000),
        runtime=minutes(120),
        slurm_partition=CLUSTER.cpu_partition,
        slurm_account=CLUSTER.account,
    params:
        settings=lambda wildcards: thing(wildcards).content,
    script:
        "../scripts/simulate_scan.py"
