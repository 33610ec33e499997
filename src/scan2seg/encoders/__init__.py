"""Encoders of segmentation_models_pytorch and timm: building, pre-trained weights, first convolution, freezing.

``settings.EncoderSettings`` is what an architecture's ``Params`` inherits, ``build.build_encoder`` makes the
module. Nothing here downloads but ``weights.fetch_weights``, which runs where there is internet.
"""
