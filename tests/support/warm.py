"""Imported where servers are forked from: what every one of them would make alike, made once."""

from forefront.server.openapi.document import build_document

build_document()
