"""Styles on disk: records, sources, verified files, weights, and how a style folder is written."""
