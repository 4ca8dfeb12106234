"""How things are said: templates by tool. `wording` fills them.

A slot `{a}` takes simple words only; anything with a list or a calculation in it is put in parentheses there. `{a1}` takes lists too
("the tallest of X and Y"), `{a2}` takes everything, because nothing that follows could be drawn into it.

    a, b    operands: numbers            e, f      entities, of which the question asks one attribute
    list    several, with "and"; either  the same with "or"       at      the attribute; ats: its plural
    adj, more, most                      an adjective of the attribute, for the tool's direction
"""

from __future__ import annotations

RELATED = ("the {r} of {e1}",) * 3 + ("the {r} given for {e1}",)
RELATED_VERB = ("whoever {v} {e}", "the one who {v} {e}", "the person who {v} {e}", "whoever it is that {v} {e}")
LOOKUP = ("the {at} of {e1}",) * 3 + ("the {at} recorded for {e1}", "the {at} given for {e1}")
BEST = (
    *("the {most} of {list}", "the {most} one of {list}", "the {most} among {list}", "whichever of {list} is the {most}"),
    *("whichever is the {most} of {list}", "the one of {list} that is the {most}", "the {most} out of {list}"),
)
BEST_NOUN = (
    *("whichever of {list} has the {highest} {at}", "the one of {list} with the {highest} {at}"),
    *("the one with the {highest} {at} among {list}", "the one that has the {highest} {at} out of {list}"),
)
HIGHEST = {"argmax": ("highest", "greatest", "largest", "biggest"), "argmin": ("lowest", "smallest", "least")}

OF_ONE_ATTRIBUTE = {
    "mean": (
        *("the average {at} of {list}", "the mean {at} of {list}", "the average of the {ats} of {list}"),
        *("the {at} that {list} have on average", "the mean of the {ats} of {list}", "the average {at} across {list}"),
    ),
    "add": (
        *("the total {at} of {list}", "the combined {at} of {list}", "the sum of the {ats} of {list}"),
        *("the {at} of {list} taken together", "the {ats} of {list} added up", "the {at} of {list} in total"),
    ),
    "largest": (
        *("the highest {at} among {list}", "the greatest {at} of {list}", "the maximum {at} of {list}"),
        *("the largest of the {ats} of {list}", "the top {at} among {list}"),
    ),
    "smallest": (
        *("the lowest {at} among {list}", "the smallest {at} of {list}", "the minimum {at} of {list}"),
        *("the smallest of the {ats} of {list}", "the least {at} among {list}"),
    ),
    "difference": ("the difference in {at} between {list}", "the {at} difference between {list}", "the gap in {at} between {list}"),
}
"""Of the lookups of one attribute of several entities."""
OF_BEST = ("the {at} of the {most} of {list}", "the {at} of the {most} among {list}", "how {adj} the {most} of {list} is")
"""The largest, or the smallest, by its adjective."""
OF_NUMBERS = {
    "mean": ("the average of {list}", "the mean of {list}", "the average value of {list}"),
    "add": ("the sum of {list}", "the total of {list}", "the result of adding up {list}"),
    "largest": ("the maximum of {list}", "the largest number among {list}", "the highest value among {list}"),
    "smallest": ("the minimum of {list}", "the smallest number among {list}", "the lowest value among {list}"),
    "difference": ("the difference between {list}", "the distance between {list}", "the gap between {list}"),
}
OF_TWO = {
    "add": ("{a} plus {b}", "{a} increased by {b}", "{a} added to {b}"),
    "subtract": ("{a} minus {b}", "{a} decreased by {b}", "{a} reduced by {b}", "{b} subtracted from {a}"),
    "multiply": ("{a} times {b}", "{a} multiplied by {b}", "{b} times {a}", "the product of {a} and {b}"),
    "divide": ("{a} divided by {b}", "the ratio of {a} to {b}", "the quotient of {a} and {b}", "{a} over {b}"),
    "percent": (
        "{a} as a percentage of {b}",
        "the percentage that {a} is of {b}",
        "the share of {b} that {a} makes up, in percent",
    ),
}
MORE_BY = {"add": ("{b} more than {a}", "{b} above {a}"), "subtract": ("{b} less than {a}", "{b} below {a}")}
"""Where b is a number that the task gives: two lookups would sound like a comparison."""
TIMES = {
    ("multiply", 2): ("twice {a}", "double {a}", "two times {a}"),
    ("multiply", 3): ("three times {a}", "triple {a}"),
    ("multiply", 4): ("four times {a}",),
    ("multiply", 5): ("five times {a}",),
    ("multiply", 10): ("ten times {a}",),
    ("divide", 2): ("half of {a}", "half {a}", "one half of {a}"),
    ("divide", 3): ("a third of {a}", "one third of {a}"),
    ("divide", 4): ("a quarter of {a}", "one fourth of {a}"),
    ("divide", 5): ("a fifth of {a}",),
    ("divide", 10): ("a tenth of {a}",),
}

ASK = (
    *("What is {a2}?", "what is {a2}", "Find {a2}.", "Compute {a2}.", "Calculate {a2}.", "Give me {a2}.", "Tell me {a2}."),
    *("Work out {a2}.", "Determine {a2}.", "What's {a2}?", "Can you find {a2}?", "Please find {a2}.", "I would like to know {a2}."),
    *("I need {a2}.", "Could you tell me {a2}?", "Do you know {a2}?", "Look up or compute {a2}.", "Report {a2}.", "{a2}?"),
)
ASK_ENTITY = (
    "Who or what is {a2}?",
    "What is {a2}?",
    "Name {a2}.",
    "Tell me {a2}.",
    "Find {a2}.",
    "Give me the name of {a2}.",
    "{a2}?",
)
ASK_CONVERTED = (
    "What is {a2}, in {to}?",
    "Give {a2} in {to}.",
    "Express {a2} in {to}.",
    "In {to}, what is {a2}?",
    "Convert {a2} to {to}.",
)
IN_UNIT = (" in {to}?", ", in {to}?", ", expressed in {to}?", " (in {to})?")
"""After a question without its mark."""
ASK_LOOKUP = (
    "How {adj} is {e1}?",
    "Tell me how {adj} {e1} is.",
    "how {adj} is {e1}",
    "How {adj} is {e1} exactly?",
    "Find out how {adj} {e1} is.",
)
ASK_RELATED = ("Who {v} {e1}?", "who {v} {e1}", "Tell me who {v} {e1}.", "Do you know who {v} {e1}?")
ASK_BEST = (
    *(
        "Which of {list} is the {most}?",
        "Which is the {most} of {list}?",
        "Out of {list}, which is the {most}?",
        "Which one is the {most}: {either}?",
    ),
    *(
        "Of {list}, name the {most}.",
        "Among {list}, which one is the {most}?",
        "Tell me which of {list} is the {most}.",
        "Is {either} the {most}?",
    ),
)
ASK_BETTER = (
    "Which is {more}, {either}?",
    "Who or what is {more}: {either}?",
    "Which of {list} is {more}?",
    "which one is {more}, {either}",
)
ASK_BEST_NOUN = (
    *(
        "Which of {list} has the {highest} {at}?",
        "Out of {list}, which has the {highest} {at}?",
        "Which has the {highest} {at}: {either}?",
    ),
    *("Who or what has the {highest} {at} among {list}?", "Name the one of {list} with the {highest} {at}."),
)
ASK_MORE = (
    *("How much {more} is {e1} than {f1}?", "By how much is {e1} {more} than {f1}?", "Tell me how much {more} {e1} is than {f1}."),
    *("how much {more} than {f1} is {e1}", "{e1} is {more} than {f1} by how much?", "Compared with {f1}, how much {more} is {e1}?"),
)
ASK_MORE_NUMBER = (
    *("How much greater than {b1} is {a1}?", "How much higher is {a1} than {b1}?", "By how much does {a1} exceed {b1}?"),
    *("How much more is {a1} than {b1}?", "If you take {b} away from {a}, what is left?"),
)
ASK_TIMES_AS = ("How many times as {adj} as {f1} is {e1}?", "{e1} is how many times as {adj} as {f1}?")
ASK_DIVIDE = ("How many times {b} is {a}?", "How often does {b} fit into {a}?")
ASK_PERCENT = (
    *(
        "What percentage of {b} is {a}?",
        "{a} is what percentage of {b}?",
        "What percent of {b} is {a}?",
        "How many percent of {b} is {a}?",
    ),
    *("What share of {b}, in percent, is {a}?", "Express {a} as a percentage of {b}."),
)
ASK_WHETHER = (
    "Is {e1} {more} than {f1}?",
    "is {e1} {more} than {f1}",
    "Tell me whether {e1} is {more} than {f1}.",
    "Is it true that {e1} is {more} than {f1}?",
)
ASK_WHETHER_NOUN = (
    "Does {e1} have a {higher} {at} than {f1}?",
    "Has {e1} a {higher} {at} than {f1}?",
    "Is {e}'s {at} {higher} than that of {f1}?",
)
HIGHER = {"greater": ("higher", "greater", "larger"), "less": ("lower", "smaller")}
ASK_GREATER = {
    "greater": (
        "Is {a1} greater than {b1}?",
        "Is {a1} more than {b1}?",
        "Does {a1} exceed {b1}?",
        "Is {a1} above {b1}?",
        "Is {a1} higher than {b1}?",
    ),
    "less": (
        "Is {a1} less than {b1}?",
        "Is {a1} below {b1}?",
        "Is {a1} smaller than {b1}?",
        "Does {a1} fall short of {b1}?",
        "Is {a1} lower than {b1}?",
    ),
}
ASK_COUNT = (
    "How many of {list} are {more} than {f1}?",
    "Count how many of {list} are {more} than {f1}.",
    "Of {list}, how many are {more} than {f1}?",
)
ASK_COUNT_NOUN = {
    "count_above": (
        "How many of {list} have a {at} above {b1}?",
        "How many of {list} have a {at} greater than {b1}?",
        "For how many of {list} is the {at} more than {b1}?",
    ),
    "count_below": (
        "How many of {list} have a {at} below {b1}?",
        "How many of {list} have a {at} smaller than {b1}?",
        "For how many of {list} is the {at} less than {b1}?",
    ),
}
ASK_EACH = (
    *(
        "What are the {ats} of {list}?",
        "List the {ats} of {list}.",
        "Give me the {at} of each of {list}.",
        "Look up the {ats} of {list}.",
    ),
    *("For each of {list}, what is the {at}?", "Tell me the {at} of {list}, one by one.", "How {adj} are {list}?"),
)
ASK_SEVERAL = (
    "What is {a}, and what is {b}?",
    "Find {a} and {b}.",
    "Give me two things: {a} and {b}.",
    "Tell me {a}, and also {b}.",
    "First, {a}; second, {b}.",
)
ASK_THREE = (
    "What are these: {a}, {b} and {c}?",
    "Find {a}, {b} and {c}.",
    "Tell me {a}, then {b}, then {c}.",
    "Give me three things: {a}, {b} and {c}.",
)

STEPS = {
    "add": (
        "Take {a2}. Add {b2} to it. What do you get?",
        "Let x be {a2} and let y be {b2}. What is x plus y?",
        "Start from {a2} and add {b}.",
    ),
    "subtract": (
        *("Take {a2}. Subtract {b2} from it. What is left?", "Let x be {a2} and let y be {b2}. What is x minus y?"),
        *("Start with {a2}, then take away {b}.", "From {a}, subtract {b2}."),
    ),
    "difference": ("Let x be {a2} and let y be {b2}. How far apart are x and y?", "How far apart are {a} and {b}?"),
    "multiply": ("Take {a2}. Multiply it by {b2}. What do you get?", "Find {a2}, then multiply the result by {b}."),
    "divide": (
        "Take {a2}. Divide it by {b2}. What do you get?",
        "Find {a2}, then divide the result by {b}.",
        "Let x be {a2} and let y be {b2}. What is x divided by y?",
    ),
    "percent": ("Let x be {a2} and let y be {b2}. What percentage of y is x?",),
    "greater": ("Let x be {a2} and let y be {b2}. Is x greater than y?",),
    "less": ("Let x be {a2} and let y be {b2}. Is x less than y?",),
    "convert": ("Find {a2}. Then convert it to {to}.", "Work out {a2} and give the result in {to}."),
}
"""Whole tasks that go step by step."""
POLITE = (
    "Please: ",
    "Hi, ",
    "Quick question: ",
    "One more: ",
    "I have a question. ",
    "Hello! ",
    "Question: ",
    "Help me with this. ",
)
