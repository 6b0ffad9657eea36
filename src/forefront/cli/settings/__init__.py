"""The settings of a server: sections of `forefront.toml`, environment variables, validation."""
