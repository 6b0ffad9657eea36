"""The command line as applications, each of which imports only what its commands need."""
