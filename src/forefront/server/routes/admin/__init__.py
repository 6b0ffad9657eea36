"""The routes of administrators under `/admin`."""
