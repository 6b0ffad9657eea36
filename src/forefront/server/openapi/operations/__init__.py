"""The operations of the server, by API."""
