"""Which models there are: their names, their files, and how they come to be ready to answer."""
