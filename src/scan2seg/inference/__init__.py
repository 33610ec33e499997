"""Inference: trained models applied to whole images and volumes, tile by tile, shard by shard."""
