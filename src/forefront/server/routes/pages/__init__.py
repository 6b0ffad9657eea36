"""The web pages and the description of the API. They need no key."""
