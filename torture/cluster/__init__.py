"""The part `cluster`: two local nodes on Ray, faults, operations, and the accounts afterwards."""
