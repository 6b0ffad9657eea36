"""The sources of models: paths, known names, references to files elsewhere, and their settings."""
