"""Small models, their files, and references of what they compute."""
