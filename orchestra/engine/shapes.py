"""The few shapes that recorded passes have: each number is rounded up to one of a short list, at most twice as large unless it is tiny."""

from __future__ import annotations

LEAST_TOKENS = 16
TOKENS_AT_ONCE = 128
"""Buffers and longer passes have multiples of this."""


def few_rows(num: int) -> int:
    """A power of two, or three quarters of one from 48 on."""
    power = 1 << (num - 1).bit_length()
    return power // 4 * 3 if power >= 64 and num <= power // 4 * 3 else power


def few_tokens(num: int) -> int:
    """16, 32, 64, or a multiple of 128."""
    return next((size for size in (LEAST_TOKENS, 32, 64) if num <= size), round_up(num, TOKENS_AT_ONCE))


def round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
