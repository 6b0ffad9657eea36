"""Models of the Hugging Face hub: the description of a repository, the choice of files, their transfer, the cache."""
