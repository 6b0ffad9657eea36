"""JSON schemas as rules of a Lark grammar."""
