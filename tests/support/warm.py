"""Imported by the process that servers are forked from: work that is the same for each of them."""

from forefront.server.openapi.document import build_document

build_document()
