"""A replica's side: an engine that serves its tokens to servers. No Ray."""
