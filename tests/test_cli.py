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
