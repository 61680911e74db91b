"""Numbers with their nouns: "1 picture", "1,200 pictures"."""


def counted(n: int, noun: str, *, many: str = "") -> str:
    """`n` with thousands apart, and the noun in the number that goes with it.

    Args:
        many: the plural, where it is not the noun and an "s".
    """
    return f"{n:,} {noun if n == 1 else many or noun + 's'}"


def were(n: int) -> str:
    """The verb that goes with `n` things."""
    return "was" if n == 1 else "were"
