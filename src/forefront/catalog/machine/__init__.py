"""The CPUs and the memory of this machine or container, and the memory of this process."""
