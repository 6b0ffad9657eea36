"""Tests of the cluster. Those of replicas and servers need no Ray: replicas are child processes."""
