def chat() -> None:
    """x"""
