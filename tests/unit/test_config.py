from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.config import Config, ConfigError, find, load

Load = Callable[..., Config]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Loads a configuration with this text and environment."""

    def build(text: str, **environ: str) -> Config:
        path = tmp_path / "neuroflow.yaml"
        path.write_text(text)
        return load(path, environ)

    return build


def problem(loaded: Load, text: str, **environ: str) -> str:
    """The error of an invalid configuration."""
    with pytest.raises(ConfigError) as error:
        loaded(text, **environ)
    return str(error.value)


def test_defaults(loaded: Load) -> None:
    """A file without our sections is valid."""
    config = loaded("app: {}")
    assert Path("/var/log/neuroflow") == config.log_dir
    assert {
        "hosts": ["http://127.0.0.1:9200"], "cloud_id": None, "api_key": None, "username": None, "password": None,
        "ca_certs": None, "ca_fingerprint": None, "verify_certs": True, "client_cert": None, "client_key": None,
        "proxy": None, "request_timeout": 30,
    } == config.elasticsearch.model_dump()  # fmt: skip
    assert {
        "url": None, "space": "default", "api_key": None, "username": None, "password": None, "ca_certs": None,
        "verify_certs": None, "proxy": None,
    } == config.kibana.model_dump()  # fmt: skip
    assert {
        "state_dir": Path("/var/lib/neuroflow-ship"), "namespace": "default", "environment": "production",
        "host_name": "auto", "timezone": "local", "pipeline_timezone": None,
        "worker_log_format": None, "worker_task_log_format": None,
        "start": "auto", "watch": "auto", "scan_interval": 5, "flush_interval": 1,
        "partial_line_timeout": 5, "max_line_bytes": 1048576, "shutdown_timeout": 30,
        "log_format": "auto", "fast_path": True,
        "batch": {"max_bytes": 5242880, "max_events": 5000, "in_flight": 2, "compress": True},
        "inputs": [], "follow_links_to": [], "exclude": [],
        "redact": {"keys": ["password", "token", "secret", "authorization"], "hash": [], "hash_key": None},
        "telemetry": {"listen": None, "documents": True},
    } == config.shipper.model_dump()  # fmt: skip
    assert socket.gethostname() == config.shipper.host


def test_everything_can_be_set(loaded: Load) -> None:
    """Every key takes its value."""
    config = loaded("""
        elasticsearch: {hosts: https://es:9200, username: u, password: p, request_timeout: 1.5}
        shipper:
          host_name: node-1
          inputs: [{paths: /a/*.log, format: celery, dataset: celery}]
          exclude: "*.tmp"
    """)
    assert (["https://es:9200"], 1.5) == (config.elasticsearch.hosts, config.elasticsearch.request_timeout)
    assert ("node-1", ["*.tmp"]) == (config.shipper.host, config.shipper.exclude)
    assert [(["/a/*.log"], "celery", "celery")] == [
        (one.paths, one.format, one.dataset) for one in config.shipper.inputs
    ]


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("shipper.start: '7 days' is none of beginning, end, auto, or an age such as 7d", "shipper: {start: 7 days}"),
        ("shipper.start: '0d' is none of", "shipper: {start: 0d}"),
        ("shipper.scan_intervall: unknown key; nearest valid key: scan_interval", "shipper: {scan_intervall: 1}"),
        ("shipper.batch.max_byte: unknown key; nearest valid key: max_bytes", "shipper: {batch: {max_byte: 1}}"),
        ("elasticsearch.host: unknown key; nearest valid key: hosts", "elasticsearch: {host: x}"),
        ("shipper.inputs.0.path: unknown key; nearest valid key: paths", "shipper: {inputs: [{paths: a, path: b}]}"),
        ("kibana.zpace: unknown key; nearest valid key: space", "kibana: {zpace: 1}"),
        ("elasticsearch: give hosts or cloud_id", "elasticsearch: {hosts: []}"),
        ("elasticsearch: username and password belong together", "elasticsearch: {username: u}"),
        ("host 'es:9200' is not a URL; write it like http://127.0.0.1:9200", "elasticsearch: {hosts: 'es:9200'}"),
        ("shipper.redact: hash needs a hash_key", "shipper: {redact: {hash: [subject]}}"),
        ("shipper.redact: hash_key is too short", "shipper: {redact: {hash: [subject], hash_key: fifteen letters}}"),
        ("shipper.redact: '-' is not the name of a key", "shipper: {redact: {keys: ['-']}}"),
        ("shipper.timezone: 'Mars/X' is neither an IANA time zone nor 'local'", "shipper: {timezone: Mars/X}"),
        ("shipper.pipeline_timezone: 'Mars/X' is neither an", "shipper: {pipeline_timezone: Mars/X}"),
        ("shipper.max_line_bytes: '1 parsec' is not a size", "shipper: {max_line_bytes: 1 parsec}"),
        ("shipper.scan_interval: input should be greater than 0", "shipper: {scan_interval: 0}"),
        ("shipper.scan_interval: ", "shipper: {scan_interval: .inf}"),
        ("shipper.watch: input should be 'auto', 'inotify' or 'poll'", "shipper: {watch: never}"),
        ("shipper.namespace: write lower-case letters, digits, _ and . (100", "shipper: {namespace: Not-Allowed}"),
        ("shipper.namespace: write lower-case letters", "shipper: {namespace: _x}"),
        ("kibana.space: write lower-case letters, digits, _ and -", "kibana: {space: The Lab}"),
        ("shipper: ", "shipper: [1]"),
        ("shipper.1", "shipper: {1: x}"),
    ],
)  # fmt: skip
def test_mistakes_are_sentences(loaded: Load, tmp_path: Path, sentence: str, text: str) -> None:
    """The error names file, key and remedy."""
    said = problem(loaded, text)
    assert said.startswith(f"{tmp_path}/neuroflow.yaml: ")
    assert sentence in said


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("elasticsearch.request_timeout", "elasticsearch: {request_timeout: yes}"),
        ("shipper.scan_interval", "shipper: {scan_interval: on}"),
        ("shipper.max_line_bytes", "shipper: {max_line_bytes: true}"),
        ("shipper.batch.max_events", "shipper: {batch: {max_events: true}}"),
        ("shipper.batch.in_flight", "shipper: {batch: {in_flight: true}}"),
    ],
)
def test_a_truth_value_is_no_number(loaded: Load, key: str, text: str) -> None:
    """What YAML takes for true is not taken for 1."""
    assert problem(loaded, text).endswith(f"{key}: true or false (as YAML reads yes, no, on and off) is no number")


@pytest.mark.parametrize("listen", ["x", "[::1]", "1.2.3.4:99999", "http://127.0.0.1:9479"])
def test_where_metrics_are_served_is_an_address(loaded: Load, listen: str) -> None:
    """A wrong address is found when the file is read: by ``check`` and at SIGHUP, not first at the next start."""
    assert "shipper.telemetry.listen: is not an address; write" in problem(
        loaded, f"shipper: {{telemetry: {{listen: '{listen}'}}}}"
    )


@pytest.mark.parametrize("value", ["x", "http://", "a:", "secret@"])
def test_values_of_any_length(loaded: Load, value: str) -> None:
    """A value that is far too long costs no more than its length, and is not repeated as a whole."""
    text = problem(
        loaded,
        f"elasticsearch: {{hosts: ['{'a' * 250}secret-word{value * 50_000}'], password: secret-word}}\n"
        f"shipper: {{host_name: '{value * 50_000}'}}",
    )
    assert "shipper.host_name: string should have at most 255 characters" in text
    assert len(text) < 3000
    assert "secret-w" not in text


def test_all_mistakes_are_told_at_once(loaded: Load) -> None:
    """All errors are reported, one a line."""
    said = problem(loaded, "shipper: {a: 1, scan_interval: -1}\nkibana: {b: 2}")
    assert 3 == len(said.splitlines())


@pytest.mark.parametrize(
    ("value", "written", "environ"),
    [
        ("secret", "${KEY}", {"KEY": "secret"}),
        ("secret", "${KEY:-other}", {"KEY": "secret"}),
        ("other", "${KEY:-other}", {}),
        ("other", "${KEY:-other}", {"KEY": ""}),
        (None, "${KEY:-}", {}),
        (None, "${KEY}", {"KEY": ""}),
        ("a-x-b", "a-${KEY}-b", {"KEY": "x"}),
        ("$KEY{}", "$KEY{}", {"KEY": "x"}),
        ("${OTHER}", "${KEY}", {"KEY": "${OTHER}"}),
    ],
)
def test_variables_expand(loaded: Load, value: str | None, written: str, environ: dict[str, str]) -> None:
    """Variables are expanded once; an empty one counts as unset where there is a default."""
    assert value == loaded(f"elasticsearch: {{api_key: '{written}'}}", **environ).elasticsearch.api_key


@pytest.mark.parametrize("written", ["${file:/run/key", "${FILE:/run/key}", "${KEY:?}", "${1}", "a ${KEY", "${}"])
def test_what_begins_like_a_reference(loaded: Load, written: str) -> None:
    """It is refused: else the cluster would get the path of a key as the key."""
    said = problem(loaded, f"elasticsearch: {{username: u, password: '{written}'}}", KEY="x")
    assert "elasticsearch.password: a ${ in it begins no reference: write ${VAR}" in said


def test_missing_variable_is_named(loaded: Load) -> None:
    """The error names the key that needs it; other sections are not expanded."""
    said = problem(loaded, "kibana: {api_key: '${NO_KEY}'}")
    assert "kibana.api_key: environment variable NO_KEY is not set (write ${NO_KEY:-default} if it may be)" in said
    assert loaded("app: {x: '${NO_KEY}'}")


@pytest.mark.parametrize(
    "text",
    [
        "elasticsearch: {hosts: ['user:hunter2@es:9200']}", "elasticsearch: {api_key: [hunter2]}",
        "elasticsearch: {password: hunter2}", "elasticsearch: {api_key: {id: hunter2}}",
        "shipper: {redact: {hash_key: [hunter2]}}", "elasticsearch: {api_key: '${KEY}', x: 1}",
        "elasticsearch: {verify_certs: hunter2}", "shipper: {redact: {hash: [subject], hash_key: hunter2}}",
        "elasticsearch: {password: *hunter2}", "elasticsearch: {password: !hunter2 x}",
    ],
)  # fmt: skip
def test_secrets_are_never_repeated(loaded: Load, text: str) -> None:
    """No error contains a secret."""
    assert "hunter2" not in problem(loaded, text, KEY="hunter2")


@pytest.mark.parametrize(
    ("size", "written"),
    [(512, "512"), (1024, "1KiB"), (1000, "1kB"), (5 * 2**20, "5MiB"), (2**30, "1 GiB"), (1536, "1.5kib"), (7, "7b")],
)
def test_sizes(loaded: Load, size: int, written: str) -> None:
    """A size is a number of bytes, or has a unit of 1000 or 1024."""
    assert size == loaded(f"shipper: {{max_line_bytes: {written}}}").shipper.max_line_bytes


@pytest.mark.parametrize(
    ("directory", "text"),
    [
        ("/one", "logging: {log_dir: /one}\npaths: {log_dir: /two}"),
        ("/two", "logging: {level: INFO}\npaths: {log_dir: /two}"),
        ("/two", "logging: {log_dir: null}\npaths: {log_dir: /two, more: [1]}"),
        ("/two", "logging: text\npaths: {log_dir: /two}"),
        ("/var/log/neuroflow", "logging:\npaths: []"),
    ],
)
def test_log_directory(loaded: Load, directory: str, text: str) -> None:
    """It comes from the application's own setting, or has the default."""
    assert Path(directory) == loaded(text).log_dir


def test_log_directory_must_be_one(loaded: Load) -> None:
    """A number is refused."""
    assert "logging.log_dir: expected a directory, found 5" in problem(loaded, "logging: {log_dir: 5}")


def test_other_sections_are_not_judged(loaded: Load) -> None:
    """Sections of the application may hold anything; null sections of ours are the defaults."""
    ours = "shipper:\nelasticsearch:\n"
    assert loaded(f"database: {{url: 1, nested: {{a: [b]}}}}\n7: x\n{ours}") == loaded(ours)
    assert {"shipper", "elasticsearch"} == loaded(ours).sections


def test_credentials_are_what_was_meant(loaded: Load) -> None:
    """Blanks around credentials are removed, but not around the hash key."""
    config = loaded(
        """
        elasticsearch: {api_key: " ${KEY} ", username: "${USER} ", password: "${WORD}"}
        kibana: {api_key: "${KEY}", url: "${URL}"}
        shipper: {redact: {hash_key: "${HASH}"}}
        """,
        KEY="a2V5\n", USER="jörg\n", WORD=" pässw€rt \r\n", URL="http://kibana:5601\n", HASH=" of sixteen or more\n",
    )  # fmt: skip
    assert ("a2V5", "jörg", " pässw€rt ") == (
        config.elasticsearch.api_key, config.elasticsearch.username, config.elasticsearch.password,
    )  # fmt: skip
    assert ("a2V5", "http://kibana:5601") == (config.kibana.api_key, config.kibana.url)
    assert " of sixteen or more\n" == config.shipper.redact.hash_key
    assert "pässw" not in repr(config)
    assert "a2V5" not in repr(config)
    assert loaded('elasticsearch: {api_key: "${KEY}"}', KEY="\n").elasticsearch.api_key is None


@pytest.mark.parametrize(
    ("key", "kind", "text"),
    [
        ("elasticsearch.password", "a number", "elasticsearch: {username: u, password: 0123}"),
        ("elasticsearch.api_key", "a number", "elasticsearch: {api_key: 1.5}"),
        ("elasticsearch.ca_fingerprint", "a number", "elasticsearch: {ca_fingerprint: 12:34:56}"),
        ("shipper.host_name", "a number", "shipper: {host_name: 12}"),
        ("shipper.environment", "true or false", "shipper: {environment: on}"),
        ("shipper.redact.keys.0", "a date", "shipper: {redact: {keys: [2024-01-01]}}"),
    ],
)
def test_what_yaml_takes_for_something_else(loaded: Load, key: str, kind: str, text: str) -> None:
    """A credential that YAML reads as a number is refused, and quotes are suggested."""
    assert f"{key}: YAML reads this as {kind}; put it in quotes" in problem(loaded, text)


def test_paths_are_absolute(loaded: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths and ``~`` are resolved; wildcards stay."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    config = loaded("""
        logging: {log_dir: ~/logs}
        shipper: {state_dir: state, inputs: [{paths: ["a/*.log", "~/**/[b", ./~c]}]}
    """)
    assert (Path("/home/me/logs"), tmp_path / "state") == (config.log_dir, config.shipper.state_dir)
    assert [f"{tmp_path}/a/*.log", "/home/me/**/[b", f"{tmp_path}/~c"] == config.shipper.inputs[0].paths


def test_a_directory_that_is_gone_gives_no_paths(
    loaded: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a deleted working directory a relative path is an error."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for text in ("shipper: {state_dir: state}", "shipper: {inputs: [{paths: a}]}", "logging: {log_dir: logs}"):
        assert "has no directory to start from" in problem(loaded, text)


@pytest.mark.parametrize(
    ("sentence", "content"),
    [
        ("not valid YAML at line 2, column 5: ", b"a: 1\nb: [\x7d"),
        ("not valid YAML at line 2, column 1: found character '\\t'", b"a:\n\tb: 1\n"),
        ("not valid YAML: month must be in 1..12", b"app: {day: 2024-13-01}"),
        ("not valid YAML", b"a: \x00"),
        ("expected sections (a mapping), found a list", b"- a\n"),
        ("not UTF-8 text (byte 3)", b"a: \xff"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, sentence: str, content: bytes) -> None:
    """The error names line and column if known."""
    path = tmp_path / "neuroflow.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: {sentence}")


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file, a directory and an unreadable file give sentences."""
    with pytest.raises(ConfigError, match=r"no such file; name the application's neuroflow.yaml"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        load(tmp_path)

    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("shipper.config_file.read_regular", refuse)
    with pytest.raises(ConfigError, match="can't be read: Permission denied"):
        load(tmp_path / "x")


def test_zones(loaded: Load) -> None:
    """Every IANA name is valid."""
    assert "Europe/Berlin" == loaded("shipper: {timezone: Europe/Berlin}").shipper.timezone


def test_zone_of_containers(loaded: Load) -> None:
    """It is the general zone unless it is set."""
    assert "Asia/Tokyo" == loaded("shipper: {timezone: Asia/Tokyo}").shipper.container_timezone
    both = loaded("shipper: {timezone: Asia/Tokyo, pipeline_timezone: UTC}").shipper
    assert ("Asia/Tokyo", "UTC") == (both.timezone, both.container_timezone)
    assert "local" == loaded("shipper: {pipeline_timezone: ''}").shipper.container_timezone


def test_places_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is command line, environment, working directory, home; with no file the error lists them."""
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    with pytest.raises(ConfigError, match=r"name one with --config \(looked for neuroflow.yaml, "):
        find(None, {}, home)
    at_home = home / ".config/neuroflow/neuroflow.yaml"
    at_home.parent.mkdir(parents=True)
    at_home.touch()
    assert at_home == find(None, {}, home)
    Path("neuroflow.yaml").touch()
    assert Path("neuroflow.yaml") == find(None, {"NEUROFLOW_CONFIG": ""}, home)
    assert Path("/env.yaml") == find(None, {"NEUROFLOW_CONFIG": "/env.yaml"}, home)
    assert Path("/given.yaml") == find("/given.yaml", {"NEUROFLOW_CONFIG": "/env.yaml"}, home)
