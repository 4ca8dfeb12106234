"""Generated tasks in plain words over `orchestra.tools.facts`, with the plans that solve them, for a planner that is trained from scratch.

The domain: a task asks for numbers that are known of entities (`lookup`), for entities that stand in a relation to others (`related`), and
for what can be reckoned from them: sums, differences, products, quotients, shares, averages, extremes, the best of several entities,
comparisons, counts, units, and several such answers at once. Names are copied from the task, never known. Attributes are those of `words`
with their adjectives ("taller" asks for the height), or any noun that the task names; relations are any noun that `words` lists or that
ends in one of its roles. Numbers of an attribute come in the unit that `orchestra.tools.facts.UNITS` gives it. A task is one question (or
one request in a few sentences) in English; a list or a calculation inside a calculation stands in parentheses where it would be ambiguous.

From the inside out: `expression` (what is asked, its plan, its value) ← `grammar` (random expressions, and which split they belong to) and
`wording` (from `phrases` and `words`) ← `task` ← `check` (the library's own judgement) and `tokenizer` ← `data` (the program).
"""
