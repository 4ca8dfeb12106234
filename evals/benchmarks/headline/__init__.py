"""Countdown's headline: a serial and a forking policy of one size, data and budget, each after its own RL.

`__main__.py` measures and writes recordings; `table.py` makes the README's block, the page's tables and the pictures from recordings alone.
`points.py` is the smaller benchmark of one model that does both.
"""
