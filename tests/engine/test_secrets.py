"""What those who may look at a cluster are not shown: passwords, told by a variable's name or a place in a URL."""

import pytest

from supervisor.engine.door import shown, without_passwords


@pytest.mark.parametrize("name", ["SHOP_PASSWORD", "API_KEY", "github_token", "SENTRY_DSN", "BASIC_AUTH"])
def test_a_variable_that_is_called_a_secret_is_one(name: str) -> None:
    assert shown(name, "open sesame") == "…"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("postgres://shop:open-sesame@db:5432/shop", "postgres://shop:…@db:5432/shop"),
        ("redis://:open-sesame@cache/0", "redis://:…@cache/0"),
        ("amqp://a:x@one,amqp://b:y@two", "amqp://a:…@one,amqp://b:…@two"),
        ("http://127.0.0.1:8000/a:b@c", "http://127.0.0.1:8000/a:b@c"),
        ("https://ada@example.org/", "https://ada@example.org/"),
        ("info", "info"),
    ],
)
def test_a_password_in_a_url_is_left_out_and_nothing_else_is(value: str, expected: str) -> None:
    assert shown("DATABASE_URL", value) == expected
    assert without_passwords(f"--to={value}") == f"--to={expected}"
