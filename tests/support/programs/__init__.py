"""Programs that tests run: databases, browsers, Node, type checkers."""
