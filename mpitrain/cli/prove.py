def prove() -> int:
    return 0
