"""Errors of the cluster's commands. Their messages are written for the operator."""


class DeployError(Exception):
    """A model cannot be deployed, or a node not drained."""
