"""The OpenAPI document: a table of operations, and schemas generated from the wire's types."""
