"""Rate limits and concurrency limits, in memory or shared through Redis."""
