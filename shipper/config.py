"""The one reader of ``neuroflow.yaml``.

The file belongs to the application: its other sections are read leniently and never judged.  In the sections
that are ours (``elasticsearch``, ``kibana``, ``shipper``) an unknown key is an error that names the nearest
valid one, and ``${VAR}`` / ``${VAR:-default}`` are expanded.
"""

from __future__ import annotations

import difflib
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

OUR_SECTIONS = ("elasticsearch", "kibana", "shipper")
DEFAULT_LOG_DIR = Path("/var/log/neuroflow")
FEWEST_HASH_KEY = 16

Dataset = Literal["app", "workflow", "celery", "pipeline", "audit"]
DATASETS: tuple[Dataset, ...] = get_args(Dataset)
Format = Literal["auto", "structlog", "stdlib", "console", "celery", "huey", "pipeline", "audit", "voxelops", "text"]

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmg]i?b|b|)\s*", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
# What the YAML parser quotes may be a part of a password: "found undefined alias 'hunter2'".
_QUOTED = re.compile(r"""'(?!<|\\.')[^']{2,}'|"(?!<|\\.")[^"]{2,}\"""")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class ConfigError(Exception):
    """The configuration can't be used; the message is for the person who wrote it."""


def _size(value: object) -> object:
    if isinstance(value, str):
        found = _SIZE.fullmatch(value)
        if not found:
            raise ValueError(f"{value!r} is not a size; write a number of bytes, or 512KiB, 5MiB, 1GiB")
        return int(float(found[1]) * _UNITS[found[2].lower()])
    return value


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _zone(value: object) -> object:
    if isinstance(value, str) and value != "local":
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is neither an IANA time zone nor 'local'") from error
    return value


Size = Annotated[int, BeforeValidator(_size), Field(gt=0)]
Text = Annotated[str | None, BeforeValidator(_empty_is_none)]
Texts = Annotated[list[str], BeforeValidator(_one_or_many)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Elasticsearch(_Section):
    """How the cluster is reached; times in seconds."""

    hosts: Texts = ["http://127.0.0.1:9200"]
    cloud_id: Text = None
    api_key: Text = None
    username: Text = None
    password: Text = None
    ca_certs: Text = None
    ca_fingerprint: Text = None
    verify_certs: bool = True
    request_timeout: Seconds = 30

    @model_validator(mode="after")
    def _reachable(self) -> Elasticsearch:
        if not self.hosts and not self.cloud_id:
            raise ValueError("give hosts or cloud_id")
        for host in self.hosts:
            if not re.match(r"https?://[^/\s]+", host):
                # Only what follows the last @: what precedes it may be a password.
                raise ValueError(f"host {host.split('@')[-1]!r} is not a URL; write it like http://127.0.0.1:9200")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together; one of them is missing")
        return self


class Kibana(_Section):
    """Where the saved objects go."""

    url: Text = None
    space: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")] = "default"
    api_key: Text = None

    @model_validator(mode="after")
    def _address(self) -> Kibana:
        if self.url is None:
            return self
        shown = self.url.split("@")[-1]
        if not re.match(r"https?://[^/\s?#]+[^\s?#]*$", self.url):
            raise ValueError(f"url {shown!r} is not Kibana's address; write it like http://127.0.0.1:5601")
        if re.search(r"[^/:]/(app|s)(/|$)", self.url):
            raise ValueError(f"url {shown!r} leads into Kibana; leave out /app and /s (the space goes into space)")
        return self


class Batch(_Section):
    """Bounds of one bulk request (bytes of body, documents) and how many are under way at once."""

    max_bytes: Size = 5 * 2**20
    max_events: Annotated[int, Field(gt=0)] = 5000
    in_flight: Annotated[int, Field(gt=0, le=64)] = 2


class Input(_Section):
    """Files beyond the built-in ones: shell patterns, the format of their lines, the stream they go to."""

    paths: Texts
    format: Format = "auto"
    dataset: Dataset = "app"


class Redact(_Section):
    """What never leaves the machine: values of these keys, and ids replaced by a keyed hash."""

    keys: Texts = ["password", "token", "secret", "authorization"]
    hash: Texts = []
    hash_key: Text = None

    @model_validator(mode="after")
    def _keyed(self) -> Redact:
        # Better not to start than to send ids that somebody believes to be hashed, or hashes that can be guessed.
        if self.hash and self.hash_key is None:
            raise ValueError("hash needs a hash_key; without one anybody could compute the hashes of all ids")
        if self.hash_key is not None and len(self.hash_key) < FEWEST_HASH_KEY:
            raise ValueError(f"hash_key is too short to keep a secret; give it {FEWEST_HASH_KEY} characters or more")
        for name in (*self.keys, *self.hash):
            if not any(map(str.isalnum, name)):
                raise ValueError(f"{name!r} is no key's name")
        return self


class Telemetry(_Section):
    """Where counters and health are served, as host:port."""

    listen: Text = None


class Shipper(_Section):
    """The sidecar itself; times in seconds, sizes in bytes."""

    state_dir: Annotated[Path, AfterValidator(Path.absolute)] = Path("/var/lib/neuroflow-ship")
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.]{0,99}$")] = "default"
    environment: str = "production"
    host_name: str = "auto"
    timezone: Annotated[str, BeforeValidator(_zone)] = "local"
    watch: Literal["auto", "inotify", "poll"] = "auto"
    scan_interval: Seconds = 5
    flush_interval: Seconds = 1
    partial_line_timeout: Seconds = 5
    max_line_bytes: Size = 2**20
    shutdown_timeout: Seconds = 30
    batch: Batch = Batch()
    inputs: list[Input] = []
    exclude: Texts = []
    redact: Redact = Redact()
    telemetry: Telemetry = Telemetry()

    @property
    def host(self) -> str:
        """Name of this machine in documents and generations."""
        return socket.gethostname() if self.host_name == "auto" else self.host_name


class _Ours(_Section):
    elasticsearch: Elasticsearch = Elasticsearch()
    kibana: Kibana = Kibana()
    shipper: Shipper = Shipper()


class Config(_Ours):
    """Everything the sidecar and the views need from ``neuroflow.yaml``."""

    path: Path
    log_dir: Path


def find(explicit: str | None, environ: Mapping[str, str], home: Path) -> Path:
    """The configuration file to read, in the application's own order.

    Args:
        explicit: what the command line named, if anything.
        environ: the environment (``NEUROFLOW_CONFIG`` is looked at).
        home: the user's home directory.

    Raises:
        ConfigError: nothing was named and none of the usual places has one.
    """
    if explicit:
        return Path(explicit)
    if named := environ.get("NEUROFLOW_CONFIG"):
        return Path(named)
    places = [
        Path("neuroflow.yaml"),
        home / ".config/neuroflow/neuroflow.yaml",
        Path("/etc/neuroflow/neuroflow.yaml"),
    ]
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(str(place) for place in places)
    raise ConfigError(f"no configuration: name one with --config (looked for {looked})")


def load(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read and check the configuration file.

    Args:
        path: the YAML file.
        environ: where ``${VAR}`` is looked up; the process's environment unless given.

    Raises:
        ConfigError: the file is missing, unreadable, not YAML, or wrong in one of our sections.
    """
    document = _document(path)
    problems: list[str] = []
    ours = {
        section: _expand(document[section], os.environ if environ is None else environ, section, problems)
        for section in OUR_SECTIONS
        if document.get(section) is not None
    }
    if problems:
        raise ConfigError("\n".join(f"{path}: {problem}" for problem in problems))
    try:
        settings = _Ours.model_validate(ours)
    except ValidationError as error:
        lines = [f"{path}: {_sentence(detail)}" for detail in error.errors(include_url=False)]
        raise ConfigError("\n".join(lines)) from None
    return Config(
        elasticsearch=settings.elasticsearch,
        kibana=settings.kibana,
        shipper=settings.shipper,
        path=path,
        log_dir=_log_dir(path, document),
    )


def _document(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; name the application's neuroflow.yaml") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it can't be parsed"
        raise ConfigError(f"{path}: not valid YAML{where}: {_QUOTED.sub('…', problem)}") from None
    except ValueError as error:  # "2024-13-01" looks like a date to YAML, and is none
        raise ConfigError(f"{path}: not valid YAML: {_QUOTED.sub('…', str(error))}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected sections (a mapping), found a {type(document).__name__}")
    return document


def _log_dir(path: Path, document: dict[str, Any]) -> Path:
    for section in ("logging", "paths"):
        part = document.get(section)
        value = part.get("log_dir") if isinstance(part, dict) else None
        if value is None:
            continue
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{path}: {section}.log_dir: expected a directory, found {value!r}")
        return Path(value).expanduser().absolute()
    return DEFAULT_LOG_DIR


def _expand(value: Any, environ: Mapping[str, str], where: str, problems: list[str]) -> Any:
    if isinstance(value, dict):
        return {key: _expand(item, environ, f"{where}.{key}", problems) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, environ, f"{where}.{i}", problems) for i, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(found: re.Match[str]) -> str:
        text = environ.get(found[1]) or found[2]
        if text is None and found[1] not in environ:
            problems.append(
                f"{where}: environment variable {found[1]} is not set (write ${{{found[1]}:-default}} if it may be)"
            )
        return text or ""

    return _VARIABLE.sub(replace, value)


def _sentence(detail: Any) -> str:
    """One pydantic error as a sentence; never the value itself, which may be a secret."""
    loc = detail["loc"]
    key = ".".join(str(part) for part in loc)
    if detail["type"] == "extra_forbidden":
        valid = _valid_keys(loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), valid, n=1, cutoff=0.0)
        hint = f"; nearest valid key: {near[0]}" if near else ""
        return f"{key}: unknown key{hint}"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{key}: {message[0].lower()}{message[1:]}"


def _valid_keys(loc: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = _Ours
    for part in loc:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        candidates = [annotation, *get_args(annotation)]
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return list(model.model_fields)
