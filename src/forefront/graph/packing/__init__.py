"""Matrices in the layouts of the kernels, kept in one file per model."""
