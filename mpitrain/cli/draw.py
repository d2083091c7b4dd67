def draw() -> int:
    return 0
