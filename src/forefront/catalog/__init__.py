"""The models: their names, their files, and their loading."""
