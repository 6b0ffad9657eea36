"""The connections to the replicas of a model."""
