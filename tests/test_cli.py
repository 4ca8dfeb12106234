"""What the command line says that no subcommand does."""

from __future__ import annotations

import pytest
import stamina

from orchestra import cli


def test_many_retries_of_many_requests_are_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def command(args: object) -> int:
        for _ in range(3):
            with pytest.raises(ConnectionError):
                for attempt in stamina.retry_context(on=ConnectionError, attempts=3, wait_initial=0, wait_max=0, wait_jitter=0):
                    with attempt:
                        raise ConnectionError("refused")
        return 0

    monkeypatch.setattr("orchestra.doctor.command", command)
    assert cli.main(["doctor"]) == 0
    assert capsys.readouterr().err == "orchestra: no answer, trying again (ConnectionError('refused'))\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["eval", "countdown", "--limt", "2"], "orchestra eval: error: unrecognized arguments: --limt 2 (did you mean --limit"),
        (["plan", "check", "x", "--tool=y", "--far"], "orchestra plan check: error: unrecognized arguments: --far"),
        (["doctor", "--quick"], "orchestra doctor: error: unrecognized arguments: --quick; see orchestra doctor --help"),
        (["solve", "--numbers", "3,5,7", "--target", "24"], "expected whole numbers with spaces between them, such as 3 5 7 11"),
        (["sample", "--numbers", "3,5,7", "--target", "24"], "expected whole numbers with spaces between them, such as 3 5 7 11"),
    ],
)
def test_a_mistyped_flag_is_named_with_what_may_have_been_meant(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
