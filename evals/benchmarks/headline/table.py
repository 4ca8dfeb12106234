"""The headline's tables and pictures from its recordings alone: the README's block, the page's sections, three SVG files.

    python -m orchestra.evals.benchmarks.headline.table evals/recorded/headline-*/*.json.gz \\
        --readme README.md --page docs/training.md --pictures docs

A block in a file lies between `<!-- headline -->` and `<!-- /headline -->` (the page: `headline-page`); what stands there is replaced. Where
neither `--readme` nor `--page` is given, the page's block is printed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from orchestra.errors import ConfigError, OrchestraError
from orchestra.trace.files import write_text

from ...statistics import Mean
from .aims import Unit, aims_table, with_error
from .breakdown import five_points
from .clock_figures import load_that_stops_paying
from .figures import RACE, Section
from .matched import OVER, SHORT
from .picture import accuracy_picture, clock_picture
from .record import Recording, by_seed, device, read
from .seeds import Result, merged, results_of

PICTURES = ("headline-work.svg", "headline-span.svg", "headline-clock.svg")
TITLES = {
    "matched work": "At matched work",
    "matched span": "At matched span",
    "price": "The price of 94 %",
    "wall clock": "Wall clock",
    "children": "Accuracy and the number of children",
    "five numbers": "Five numbers",
    "temperatures": "Temperatures of the serial policy, on validation problems",
}
_CORNERS = {
    "window": "greedy, in the window",
    "matched work": "tokens a problem",
    "children": "children",
    "temperatures": "temperature",
}
_SHARES = ("accuracy", "fork", "serial", "solved", "gap", "cons@", "pass@", "serial pass@", "one try", "share of")
_TOKENS = ("work", "span", "explored", "median ms", "p95 ms", "p95 span", SHORT, OVER)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def readme_block(recordings: Sequence[Recording], results: Sequence[Result]) -> str:
    """The window's table, the aims with what was reached, and where it was measured."""
    seeds = ", ".join(recording.seed for recording in recordings)
    header = ["Countdown, four numbers", "paper (228M)", "aim", "reached", f"seeds {seeds}", "missed by"]
    mean = merged(results)
    window = [_section("window", mean.sections["window"], results)] if "window" in mean.sections else []
    return "\n".join([*window, markdown(header, aims_table(results)), provenance(recordings) + "\n"])


def page_block(recordings: Sequence[Recording], results: Sequence[Result]) -> str:
    """Every section: the mean over seeds, then, where there are several, each seed's own numbers."""
    mean = merged(results)
    parts = [readme_block(recordings, results)]
    for name, section in mean.sections.items():
        if name != "window":
            title = TITLES[name] + (_five_targets(recordings) if name == "five numbers" else "")
            parts.append(f"### {title}\n\n{_section(name, section, results)}")
        if name == "wall clock":
            parts.append(_stops(recordings))
        if name == "five numbers":
            parts.append(_five_models(recordings))
    return "\n".join(parts)


def _section(name: str, section: Section, results: Sequence[Result]) -> str:
    columns = list(dict.fromkeys(column for row in section.values() for column in row))
    rows = [
        [label, *(_cells(row.get(column), column, name, label, results) for column in columns)] for label, row in section.items()
    ]
    return markdown([_CORNERS.get(name, ""), *columns], rows)


def _cells(found: Mean | None, column: str, section: str, label: str, results: Sequence[Result]) -> str:
    if found is None:
        return "–"
    text = _shown(found, column)
    each = [result.sections.get(section, {}).get(label, {}).get(column) for result in results]
    if len(results) > 1 and any(one is None or one.value != found.value for one in each):
        text += " (" + ", ".join(_shown(Mean(one.value, None, 1), column) if one else "–" for one in each) + ")"
    return text


def unit_of(column: str) -> Unit | None:
    """None for plain numbers."""
    if column.startswith("faster"):
        return "times"
    if column.endswith(_TOKENS) or column.startswith("work"):
        return "tokens"
    return "points" if column.startswith(_SHARES) else None


def _shown(found: Mean, column: str) -> str:
    unit = unit_of(column)
    return with_error(found, unit) if unit else f"{found.value:,.0f}" if found.value >= 100 else f"{found.value:.3g}"


def _stops(recordings: Sequence[Recording]) -> str:
    lines = []
    most = max((timed.at_once for recording in recordings for timed in recording.timed), default=0)
    for name in ("fork-first", "fork-all", "serial-then-fork", RACE):
        seeds = [recording.timed for recording in recordings if any(timed.name == name for timed in recording.timed)]
        loads = [load_that_stops_paying(seed, name) for seed in seeds]
        shown = ", ".join(f"from {load} at once on" if load else f"not at {most} at once" for load in loads)
        if shown:
            lines.append(f"* {name.replace('-', ' ')}, slower than serial search at the median (one entry a seed): {shown}")
    return "\n".join(lines) + "\n"


def _five_targets(recordings: Sequence[Recording]) -> str:
    most = {point.largest_target for recording in recordings for point in five_points(recording)}
    return f", targets to {_distinct(f'{target:,}' for target in sorted(most))}, a first look"


def _five_models(recordings: Sequence[Recording]) -> str:
    """What those models were trained on that searched for five numbers, and their windows where these are no multiples of that of four."""
    searched = [(recording, point) for recording in recordings for point in five_points(recording)]
    models = [recording.models[point.role] for recording, point in searched if point.role in recording.models]
    sizes = sorted({size for model in models for size in model.sizes})
    windows = {(recording.window, point.setup["window"]) for recording, point in searched if point.setup["method"] == "fork"}
    trained = f"The models were trained on problems of {_enumerated(sizes)} numbers"
    if all(window % of_four == 0 for of_four, window in windows):
        return f"{trained}.\n"
    return f"{trained}; the windows are of {_distinct(sorted({window for _, window in windows}))} tokens.\n"


def provenance(recordings: Sequence[Recording]) -> str:
    """Models, windows, problems, GPU, date and commit, as one paragraph."""
    models = {model.name: model for recording in recordings for model in recording.models.values()}
    sizes = sorted({model.parameters for model in models.values() if model.parameters})
    shown = " and ".join(f"{size / 1e6:.1f}M" for size in sizes) or "an unknown number of"
    windows = ", ".join(f"{recording.window} (seed {recording.seed})" for recording in recordings)
    tested = [point for recording in recordings for point in recording.points if point.split == "test" and point.size == 4]
    problems = max((len(point.places) for point in tested), default=0)
    origins = [recording.origin for recording in recordings]
    tokens = sum(sum(map(sum, point.work)) for recording in recordings for point in recording.points)
    return (
        f"± is one standard error over {problems:,} held-out problems, paired for gaps; a ratio of times is the median of those of its"
        f" rounds, ± half their range. {shown} parameters; windows: {windows} tokens{_found_on(recordings)}."
        f" {_distinct(recording.engine for recording in recordings)} on {_distinct(device(origin) for origin in origins)},"
        f" {_distinct(origin.get('date') for origin in origins)}, commit {_distinct(origin.get('commit') for origin in origins)};"
        f" {tokens / 1e6:.1f}M tokens sampled."
    )


def _found_on(recordings: Sequence[Recording]) -> str:
    """Which validation problems the windows are from."""
    seeds = {point.problem_seed for recording in recordings for point in recording.points if point.name == "serial-validation"}
    if not seeds:
        return ""
    training = " (by which training chose its checkpoints, too)" if 0 in seeds else ""
    return f", found on validation problems of list {' and '.join(map(str, sorted(seeds)))}{training}"


def _enumerated(sizes: Sequence[int]) -> str:
    """3, 4 and 5."""
    *others, last = map(str, sizes) if sizes else ["unknown"]
    return f"{', '.join(others)} and {last}" if others else last


def _distinct(values: Iterable[object]) -> str:
    """Each once; a value may be several of them, joined the same way."""
    return " / ".join(dict.fromkeys(part for value in values if value for part in str(value).split(" / "))) or "unknown"


def replaced(text: str, mark: str, block: str, where: object) -> str:
    """`text` with `block` between its marks. Raises `ConfigError` where it has not both of them, in order."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ConfigError(f"{where} has no place for the table: put the lines {begin} and {end} where it belongs")
    return f"{before}{begin}\n{block}{end}{after}"


def _text_of(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; the table goes into a file with its marks") from error


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="headline.table", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recordings", type=Path, nargs="+")
    parser.add_argument("--readme", type=Path)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER")
    args = parser.parse_args(arguments)
    try:
        recordings = by_seed(map(read, args.recordings))
        results = results_of(recordings)
        for path, mark, block in (
            (args.readme, "headline", readme_block(recordings, results)),
            (args.page, "headline-page", page_block(recordings, results)),
        ):
            if path is not None:
                write_text(path, replaced(_text_of(path), mark, block, path))
        if args.readme is None and args.page is None:
            sys.stdout.write(page_block(recordings, results))
        if args.pictures is not None:
            pictures = (accuracy_picture(recordings, "work"), accuracy_picture(recordings, "span"), clock_picture(recordings))
            for name, picture in zip(PICTURES, pictures, strict=True):
                if picture is not None:
                    write_text(args.pictures / name, picture)
    except OrchestraError as error:
        sys.stderr.write(f"headline.table: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
