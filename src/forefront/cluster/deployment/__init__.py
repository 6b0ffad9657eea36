"""Ray: deployments of replicas, the commands of the operator, and clusters on one machine."""
