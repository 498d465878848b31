from __future__ import annotations

import pytest

from shipper.redact.secrets import Secrets

SECRETS = Secrets(["password", "token", "secret", "authorization"])


@pytest.mark.parametrize(
    "key",
    [
        "password", "PASSWORD", "dbPassword", "db.password", "pgpassword", "passwd", "pwd", "authToken",
        "X-Auth-Token", "apikey", "api_key", "X-Api-Key", "APIKey", "accessKeyId", "aws_secret_access_key",
        "private_key", "token2", "credentials", "Set-Cookie", "Proxy-Authorization", "passphrase", "bearer",
        "client_secret", "secrets",
    ],
)  # fmt: skip
def test_keys_of_secrets(key: str) -> None:
    """Configured names in every spelling, and the default names."""
    assert SECRETS.names(key)


@pytest.mark.parametrize(
    "key",
    ["tokens_used", "total_tokens", "tokenizer", "secretary", "key", "monkey", "author", "pass", "keyboard", ""],
)
def test_other_keys(key: str) -> None:
    """The plural of "token" is a count, and a word that only begins alike is another."""
    assert not SECRETS.names(key)


def test_own_names() -> None:
    """Of one word or several; names that are not ASCII may be escaped, so every line is suspect."""
    secrets = Secrets(["scanner pin", "contraseña"])
    assert "scannerPin=[redacted] x" == secrets.text("scannerPin=1234 x", set())
    assert "contraseña: [redacted]" == secrets.text("contraseña: hunter2", set())
    assert secrets.suspects(b'{"contrase\\u00f1a": "x"}')
    assert not secrets.names("pin")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a password=x7 b=c", "a password=[redacted] b=c"),
        ("password='it\\'s' b=c", "password='[redacted]' b=c"),
        ("login(password=x7, user=y)", "login(password=[redacted], user=y)"),
        ("?token=x7&a=b", "?token=[redacted]&a=b"),
        ("Authorization: Bearer x7 sent", "Authorization: [redacted] sent"),
        ('Authorization: Digest username="u", response="x7" sent', "Authorization: [redacted] sent"),
        ("Token: token: x7", "Token: token: [redacted]"),
        ("password= user=bob", "password= user=bob"),
        ("password=None token: null", "password=None token: null"),
        ("--token --verbose", "--token --verbose"),
        ('["token", "x": 1]', '["token", "x": 1]'),
        ("invalid token <", "invalid token <"),
        ("{'password': ['a', ('b', 'c)')], 'd': 1}", "{'password': [redacted], 'd': 1}"),
        ("password=SecretStr('x 7') b", "password=SecretStr('[redacted]') b"),
        ('password = """x 7""" b', 'password = """[redacted]""" b'),
        ("Basic dXNlcjpwdw== sent, Basic authentication", "Basic [redacted] sent, Basic authentication"),
        ("postgresql://u:p@h/d x", "postgresql://u:[redacted]@h/d x"),
        ("http://h:80/x?a=b@c", "http://h:80/x?a=b@c"),
        ("https://u:p@h/x?a=b@c", "https://u:[redacted]@h/x?a=b@c"),
        ("redis://a,redis://:p@b", "redis://a,redis://:[redacted]@b"),
        ("http://[::1]:9200/ ssh://git@host/x", "http://[::1]:9200/ ssh://git@host/x"),
        ("https://ghp_0123456789abcdefghij@github.com/x", "https://[redacted]@github.com/x"),
        ("cut in the middle: amqp://u:hunt", "cut in the middle: amqp://u:[redacted]"),
        ("<password>x 7</password>", "<password>[redacted]</password>"),
    ],
)
def test_texts(text: str, wanted: str) -> None:
    """The secret is replaced, the text around it stays, and a second redaction changes nothing."""
    assert wanted == SECRETS.text(text, set())
    assert wanted == SECRETS.text(wanted, set())


def test_secrets_are_told() -> None:
    """Secrets are collected to be replaced elsewhere; texts that may be common words are not."""
    found: set[str] = set()
    SECRETS.text("password=hunter2 token: incorrect secret='a' redis://:pass2word@h", found)
    assert {"hunter2", "pass2word"} == found


def test_stars_are_no_password() -> None:
    """Passwords that are masked already stay as they are."""
    said = "Connected to redis://:**@127.0.0.1:6379/0"
    assert said == Secrets(["password"]).text(said, set())
