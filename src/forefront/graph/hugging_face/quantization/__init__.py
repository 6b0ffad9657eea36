"""Quantised matrices of Hugging Face directories, by the methods that wrote them."""
