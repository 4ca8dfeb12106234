"""Answers as graders read them out of a text."""

from __future__ import annotations


def boxed(answer: str) -> str:
    return rf"\boxed{{{answer}}}"
