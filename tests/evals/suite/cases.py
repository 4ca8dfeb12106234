"""What is answered to each fixture: right, wrong and malformed texts, by benchmark and place of the problem among those that are left."""

from __future__ import annotations

from dataclasses import dataclass, field

FENCED = "Here it is.\n```json\n{}\n```\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    place: int = 0
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    malformed: tuple[str, ...] = ()
    """Those that hold no answer: `Grade.answer` may be None, and `flaw` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    problems: int
    """That are left of the file."""
    bad: tuple[str, ...] = ()
    """Where the rows stand that are none."""
    cases: tuple[Case, ...] = field(default=())


def _plan(*steps: tuple[str, str, str]) -> str:
    """Subtasks from (sources, target, dependencies)."""
    rows = ", ".join(
        f'{{"name": "S{place}", "source": [{_quoted(sources)}], "target": ["{target}"], "dependencies": [{_quoted(needs)}]}}'
        for place, (sources, target, needs) in enumerate(steps, 1)
    )
    return FENCED.replace("{}", f"[{rows}]")


def _quoted(names: str) -> str:
    return ", ".join(f'"{name}"' for name in names.split())


def _schema(**fields: str) -> str:
    return FENCED.replace("{}", "{" + ", ".join(f'"{key}": {value}' for key, value in fields.items()) + "}")


_SUM = tuple(f"\\boxed{{{text}}}" for text in ("1+2+3+4", "1 + 2 + 3 + 4"))
_FAST = _plan(("N1", "N2", ""), ("N1", "N3", ""), ("N2 N3", "N4", "S1 S2"))
_SLOW = _plan(("N1", "N4", ""))
_FILM = "Cinemas: [film, address = findfilm(#city='Porto', #house='The Palace')]"
_CAB = "Cabs: [fare = ordercab(#destination=address, #people='2')]"

FIXTURES: dict[str, Fixture] = {
    "countdown": Fixture(
        problems=2,
        bad=("line 3",),
        cases=(
            Case(
                right=(
                    r"\boxed{9*5+8*2}", "9 * 5 + 8 * 2", r"So $\boxed{9 \times 5 + 2 \cdot 8 = 61}$.", "The answer is 9×5+8×2.",
                    "<think>\\boxed{1+1}</think>\nWe find 61 = (9*5)+(8*2)", r"\boxed{\left(9\cdot5\right)+8\cdot 2}",
                ),
                wrong=(
                    r"\boxed{9*5+8+2}", r"\boxed{9*5+8*2*1}", r"\boxed{9*5+16}", r"\boxed{61}", r"\boxed{9*5+8*2} … no: \boxed{9+5+8+2}",
                    r"\boxed{9*5-(-8)*2}", r"\boxed{95-8*2}", r"\boxed{9*5+8*2=61=60+1}", r"\boxed{9*5+8**2}", r"\boxed{9//5+8*2}",
                ),
                malformed=("", "I give up.", r"\boxed{}", "<think>9*5+8*2", r"\boxed{9*5+8*}", r"\boxed{x+y}"),
            ),
            Case(place=1, right=("8*3/(6-4)", r"\boxed{\frac{8 \cdot 3}{6-4}}", "[8*3] ÷ (6−4) = 12"), wrong=("3*4*(8-6)", "8*3/(6-6+4)")),
        ),
    ),
    "countdown3": Fixture(problems=1, cases=(Case(right=("9*2+7",), wrong=("9+2*7",)),)),
    "countdown5": Fixture(problems=1, cases=(Case(right=("1+2+3+4+5",), wrong=("1*2+3+4+5+1",)),)),
    "countdown6": Fixture(problems=1, cases=(Case(right=("6+5+4+3+2+1",), wrong=("6+5+4+3+2",)),)),
    "game24": Fixture(
        problems=2,
        bad=("line 3",),
        cases=(
            Case(right=("8/(3-8/3)", r"\boxed{\frac{8}{3-\frac{8}{3}}}"), wrong=("8*3", "(8-3)*(8-3)", "8/(3-3)+8"), malformed=("no",)),
            Case(place=1, right=("1*2*3*4", r"$1\times2\times3\times4=24$"), wrong=_SUM),
        ),
    ),
    "game24hard": Fixture(problems=1, cases=(Case(right=("8/(3-8/3)",), wrong=("8*3+8*3",)),)),
    "aime24": Fixture(
        problems=1,
        bad=("line 2",),
        cases=(
            Case(
                right=(r"\boxed{73}", r"\boxed{073}", "The answer is 73.", r"\boxed{73\text{ books}}", "<think>\\boxed{9}</think>**Answer:** 73"),
                wrong=(r"\boxed{37}", r"\boxed{73} wait, \boxed{74}", "The answer is 730.", r"\boxed{-73}", r"\boxed{73.5}"),
                malformed=("", "73 is a number", r"\boxed{", "<think>\\boxed{73}"),
            ),
        ),
    ),
    "aime25": Fixture(problems=1, cases=(Case(right=(r"\boxed{144}",), wrong=(r"\boxed{12}",), malformed=("dunno",)),)),
    "aime26": Fixture(problems=1, cases=(Case(right=(r"\boxed{0}", r"\boxed{000}"), wrong=(r"\boxed{1}",), malformed=("zero?",)),)),
    "amc23": Fixture(problems=1, cases=(Case(right=(r"\boxed{27}", r"\boxed{27.0}"), wrong=(r"\boxed{9}",), malformed=("?",)),)),
    "math500": Fixture(
        problems=2,
        cases=(
            Case(right=(r"\boxed{[0,1)}", r"\boxed{\left[0, 1\right)}"), wrong=(r"\boxed{(0,1)}", r"\boxed{[0,1]}"), malformed=("",)),
            Case(place=1, right=(r"\boxed{\frac{1}{\sqrt2}}", r"\boxed{\sqrt{\frac{1}{2}}}"), wrong=(r"\boxed{\sqrt{2}}",)),
        ),
    ),
    "hmmt25": Fixture(problems=1, cases=(Case(right=(r"\boxed{\sqrt5+1}",), wrong=(r"\boxed{\sqrt{6}}",), malformed=(r"\boxed{}",)),)),
    "brumo25": Fixture(problems=1, cases=(Case(right=(r"\boxed{2/3}",), wrong=(r"\boxed{0.66}",), malformed=("two thirds",)),)),
    "gsm8k": Fixture(
        problems=1,
        bad=("line 2",),
        cases=(
            Case(
                right=(
                    r"\boxed{1200}",
                    r"\boxed{1,200\text{ kg}}",
                    "12*100=1200\n#### 1,200",
                    "The answer is $1200.",
                    r"\boxed{1200 clips}",
                    r"\boxed{1,200 mL}",
                    r"\boxed{1200\ \text{km/h}}",
                ),
                wrong=(
                    r"\boxed{120}",
                    "#### 12",
                    "#### 1200 or 120",
                    r"\boxed{12 clips}",
                    r"\boxed{1200 thousand}",
                    r"\boxed{1200 hours 5}",
                    r"\boxed{1200 pairs}",
                ),
                malformed=("1200", "####"),
            ),
        ),
    ),
    "parallelqa": Fixture(
        problems=2,
        cases=(
            Case(
                right=(r"\boxed{330}", r"\boxed{330 \text{ metres}}", "The answer is 325 m.", r"\boxed{3.3e2}"),
                wrong=(r"\boxed{296}", r"\boxed{370}", r"\boxed{330 or 300}", r"\boxed{three hundred}"),
                malformed=("",),
            ),
            Case(place=1, right=(r"\boxed{long brook}", "Answer: The Long Brook", "Long Brook"), wrong=(r"\boxed{Short Brook}", "both")),
        ),
    ),
    "hotpotqa": Fixture(
        problems=3,
        cases=(
            Case(right=(r"\boxed{yes}", r"\boxed{\text{Yes.}}", "Yes"), wrong=(r"\boxed{no}", "yes and no"), malformed=("", "word " * 200)),
            Case(place=1, right=(r"\boxed{Bob Sample}", "The answer is **Bob Sample**."), wrong=(r"\boxed{Ann Example}", r"\boxed{Bob}")),
            Case(place=2, right=(r"\boxed{1910}",), wrong=(r"\boxed{1911}", r"\boxed{1910 or 1911}")),
        ),
    ),
    "movies": Fixture(
        problems=1,
        bad=("line 2",),
        cases=(
            Case(
                right=(
                    r"\boxed{B}", r"\boxed{(b)}", r"\boxed{\text{B}}", r"\boxed{the voyage of the kite}", "The answer is (B) The Voyage of the Kite.",
                    "Option B",
                ),
                wrong=(r"\boxed{The Voyage}", r"\boxed{A}", r"\boxed{M}", r"\boxed{Z}", r"\boxed{A Quiet Pond or The Voyage of the Kite}"),
                malformed=("", r"\boxed{none}"),
            ),
        ),
    ),
    "plan_over_graph": Fixture(
        problems=2,
        bad=("line 3",),
        cases=(
            Case(
                right=(_FAST, _FAST.replace("```json", "```"), "<think>" + _SLOW + "</think>" + _FAST, _SLOW + "Better:\n" + _FAST),
                wrong=(
                    _SLOW,
                    _plan(("N1", "N2", ""), ("N2", "N4", "S1")),
                    _plan(("N2 N3", "N4", "")),
                    _plan(("N1", "N2", "S2"), ("N1", "N3", "S1")),
                    _plan(("N1", "N2", "")),
                ),
                malformed=("", "no plan", "[{", _FAST[:-30], '[{"name": 3}]', "<think>" + _FAST),
            ),
            Case(place=1, right=(_plan(("N1", "N2", ""), ("N2", "N3", "S1")),), wrong=(_plan(("N2", "N3", "")),)),
        ),
    ),
    "appbench": Fixture(
        problems=2,
        bad=("line 3",),
        cases=(
            Case(
                right=(
                    f"{_FILM}\n{_CAB}",
                    f"```\n{_FILM}\n{_CAB}\n```",
                    _FILM.replace("Porto", "PORTO") + "\n" + _CAB.replace("=address", "='1 Harbour Road'"),
                    f"{_FILM}\n{_CAB.replace(', #people', ', #wheelchair=2, #people')}",
                ),
                wrong=(
                    _FILM,
                    f"{_FILM}\n{_FILM}\n{_CAB}",
                    f"{_FILM}\n{_CAB.replace(chr(50), chr(51))}",
                    f"{_FILM}\n{_CAB.replace('=address', '=film')}",
                    f"{_FILM.replace('Porto', '')}\n{_CAB}",
                    f"{_FILM.replace('Cinemas', 'Films')}\n{_CAB}",
                    f"{_CAB}\n{_FILM}",
                ),
                malformed=("", "I call nothing.", "Cinemas: [film = findfilm(", "<think>" + _FILM),
            ),
            Case(place=1, right=("Cabs: [fare = ordercab(#destination='home', #people='1')]",), wrong=("Cabs: [fare = ordercab()]",)),
        ),
    ),
    "cat_bench": Fixture(
        problems=2,
        bad=("line 3",),
        cases=(
            Case(
                right=(r"\boxed{yes}", "Yes.", '{"binary_answer": "yes", "why_answer": "no water, no tea"}', "Steps.\nYes, it must."),
                wrong=(r"\boxed{no}", "No", '{"binary_answer": "no"}'),
                malformed=("", "yes or no", "maybe", "<think>yes"),
            ),
            Case(place=1, right=(r"\boxed{\text{No}}",), wrong=(r"\boxed{yes}",)),
        ),
    ),
    "parallelprompt": Fixture(
        problems=3,
        cases=(
            Case(
                right=(
                    _schema(serial='"s"', template='"Translate {data}"', data='["cat", "dog", "bird"]', n="null"),
                    _schema(template='"{data}"', data='["Cat", "Dog", "a bird!"]'),
                ),
                wrong=(
                    _schema(template='"{data}"', data='["cat", "dog"]'),
                    _schema(template='"x"', n="3"),
                ),
                malformed=("", "cat, dog, bird", _schema(template='"x"', data='["cat"]'), _schema(data='["cat", "dog", "bird"]'), "{" * 99),
            ),
            Case(place=1, right=(_schema(template='"slogan"', n="4"),), wrong=(_schema(template='"slogan"', n="5"),)),
            Case(place=2, right=(_schema(template='"{data}"', data='["red", "blue"]'),), wrong=(_schema(template='"{data}"', data="[1]"),)),
        ),
    ),
    "tiny": Fixture(
        problems=3,
        bad=("line 4",),
        cases=(
            Case(right=(r"\boxed{7}",), wrong=(r"\boxed{8}",), malformed=("seven",)),
            Case(place=1, right=(r"\boxed{Cold}", "cold"), wrong=(r"\boxed{warm}",)),
            Case(place=2, right=("2*3*4",), wrong=("2+3+4",)),
        ),
    ),
}  # fmt: skip

HOSTILE: tuple[str, ...] = (
    "\\boxed{" * 5_000,
    "}" * 50_000,
    "(" * 50_000,
    "\\boxed{" + "(" * 5_000 + "1" + ")" * 5_000 + "}",
    r"\boxed{9**9**9**9}",
    r"\boxed{__import__('os').system('true')}",
    r"\boxed{(lambda: 1)()}",
    "\\boxed{" + "\\frac{1}{" * 200 + "1" + "}" * 200 + "}",
    "\0\x01\ud800\udfff",
    "[" * 20_000,
    "```json\n" + "[{" * 5_000 + "\n```",
    '```json\n{"template": "{data}", "data": ' + "[" * 500 + "]" * 500 + "}\n```",
    "```\n" * 3_000,
    "```json\n" * 100_000,
    "<think>" * 10_000,
    "yes no " * 20_000,
    "A: [" + "a, " * 20_000 + "= b()]",
    "1+" * 100_000 + "1",
    "1e" + "9" * 400,
    "\\boxed{" + "9" * 100_000 + "}",
    "٣٤٥ ²³ ½ ①",
)
"""Texts that no grader may fall for: none is right, none raises, none takes long."""
