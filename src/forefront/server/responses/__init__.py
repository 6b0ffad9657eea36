"""The Responses API: its encoder and endpoints."""
