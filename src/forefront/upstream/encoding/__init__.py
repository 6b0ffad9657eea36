"""From a request to the body that an upstream takes."""
