# Any source to a stack, a split and patches.
rule assemble_stack:
    input:
        volumes=lambda wildcards: [
            f"{R}/{path}" for path in thing(wildcards).made_files()
        ],
        files=files_of,
        code=code_of("assemble_stack"),
    output:
        stack=directory(f"{R}/stacks/{{stack}}/stack.zarr"),
    log:
        f"{R}/logs/assemble_stack/{{stack}}.log",
    benchmark:
        f"{R}/benchmarks/assemble_stack/{{stack}}.tsv"
    conda:
        "../../envs/prepare.yaml"
    threads: 4
    resources:
        mem_mb=memory(6000),
        runtime=minutes(120),
        slurm_partition=CLUSTER.cpu_partition,
        slurm_account=CLUSTER.account,
    params:
        source=lambda wildcards: thing(wildcards).content["source"],
        scans=lambda wildcards: {
            name: scan.model_dump(mode="json")
            for name, scan in thing(wildcards).scans(R).items()
        },
        classes=lambda wildcards: thing(wildcards).dataset.classes,
        pixel_size=lambda wildcards: thing(wildcards).dataset.pixel_size,
        listing=listing_of,
    script:
        "../scripts/assemble_stack.py"


rule split_stack:
    input:
        stack=rules.assemble_stack.output.stack,
        code=code_of("split_stack"),
    output:
        split=f"{R}/stacks/{{stack}}/splits/{{split}}.json",
    log:
        f"{R}/logs/split_stack/{{stack}}/{{split}}.log",
    benchmark:
        f"{R}/benchmarks/split_stack/{{stack}}/{{split}}.tsv"
    conda:
        "../../envs/prepare.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=minutes(30),
        slurm_partition=CLUSTER.cpu_partition,
        slurm_account=CLUSTER.account,
    params:
        settings=lambda wildcards: thing(wildcards).settings.model_dump(mode="json"),
        folds=lambda wildcards: thing(wildcards).folds,
    script:
        "../scripts/split_stack.py"


rule extract_patches:
    input:
        stack=rules.assemble_stack.output.stack,
        split=lambda wildcards: path_of(thing(wildcards).split),
        code=code_of("extract_patches"),
    output:
        patches=directory(f"{R}/stacks/{{stack}}/patches/{{patching}}.zarr"),
    log:
        f"{R}/logs/extract_patches/{{stack}}/{{patching}}.log",
    benchmark:
        f"{R}/benchmarks/extract_patches/{{stack}}/{{patching}}.tsv"
    conda:
        "../../envs/prepare.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(120),
        slurm_partition=CLUSTER.cpu_partition,
        slurm_account=CLUSTER.account,
    params:
        settings=lambda wildcards: thing(wildcards).settings.model_dump(mode="json"),
    script:
        "../scripts/extract_patches.py"
