"""How a worker ended, in the line of its output that says most."""

from supervisor.model.workers import End


def test_the_last_line_tells_why_and_of_haproxys_alerts_the_first() -> None:
    assert End(wall=0.0, last_lines=("one", "two")).last_word == "two"
    assert End(wall=0.0).last_word == ""
    alerts = (
        "[NOTICE]   (7) : haproxy version is 2.8",
        "[ALERT]    (7) : Binding for front: cannot bind socket (Address already in use) for [127.0.0.1:80]",
        "[ALERT]    (7) : Some protocols failed to start their listeners! Exiting.",
    )
    assert "Address already in use" in End(wall=0.0, last_lines=alerts).last_word
