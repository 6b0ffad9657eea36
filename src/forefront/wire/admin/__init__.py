"""The admin API: records and the parsing of requests."""
