"""The network: voxel encoder, exact window and group attention, encoder, decoder.

Import what you need from the module that holds it, such as ``from geopt.models.encoder import build_encoder``.
"""
