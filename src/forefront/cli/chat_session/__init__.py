"""A conversation in the terminal, for `forefront chat`."""
