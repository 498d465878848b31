"""Reads and validates ``neuroflow.yaml``.

The file is the application's; only ``elasticsearch``, ``kibana`` and ``shipper`` are validated.  In these sections an
unknown key is an error that names the nearest valid key, and ``${VAR}``, ``${VAR:-default}`` and ``${file:/path}``
are filled in.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from shipper import addresses
from shipper.config_errors import sentence_of, shortened
from shipper.config_file import OUR_SECTIONS, ConfigError, expand, log_format, log_formats, read, wait_until_saved
from shipper.credentials import CredentialMask, credentials_in

__all__ = ["OUR_SECTIONS", "Config", "ConfigError", "find", "load", "wait_until_saved"]

DEFAULT_LOG_DIR = Path("/var/log/neuroflow")
MIN_HASH_KEY = 16

Dataset = Literal["app", "workflow", "celery", "pipeline", "audit"]
DATASETS: tuple[Dataset, ...] = get_args(Dataset)
Format = Literal["auto", "structlog", "stdlib", "console", "celery", "huey", "pipeline", "audit", "voxelops", "text"]

_SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*([kmg]i?b|b|)\s*", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_START = re.compile(r"auto|beginning|end|[1-9]\d{0,4}[mhdw]")
# Larger values are typing errors.
_MAX_SECONDS, _MAX_BYTES = 366 * 86400, 2**40
# PATH_MAX of Linux: a longer pattern matches nothing.
_MAX_PATTERN = 4096


def _size(value: object) -> object:
    if isinstance(value, str):
        found = _SIZE.fullmatch(value)
        if not found:
            raise ValueError(f"{value!r} is not a size; write a number of bytes, or 512KiB, 5MiB, 1GiB")
        return int(float(found[1]) * _UNITS[found[2].lower()])
    return value


def _no_truth(value: object) -> object:
    # Pydantic takes true, as YAML reads "yes" and "on", for 1.
    if isinstance(value, bool):
        raise ValueError("true or false (as YAML reads yes, no, on and off) is no number")  # noqa: TRY004 - what pydantic expects
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


def _checked(check: Callable[[str], object]) -> AfterValidator:
    """Validate a text unless it is None."""
    return AfterValidator(lambda value: value if value is None else check(value))


def _key(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("contains blanks or characters that no API key has; copy it again")
    return text


def _text_without_controls(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("contains control characters (a line feed, perhaps)")
    return _encodable(text)


def _start(text: str) -> str:
    if not _START.fullmatch(text):
        raise ValueError(f"{text!r} is none of beginning, end, auto, or an age such as 7d or 12h (m, h, d, w)")
    return text


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not valid UTF-8") from None
    return text


def _user(text: str) -> str:
    if ":" in text:
        raise ValueError("contains a colon, which HTTP allows only in passwords")
    return _text_without_controls(text)


def _name(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; give a name, or leave the key out")
    return _text_without_controls(text)


def _host(text: str) -> str:
    try:
        addresses.address_of(text, "http://127.0.0.1:9200", {"https": addresses.PORTS["https"]})
    except ValueError as error:
        raise ValueError(f"host {error}") from None
    return text


def _pattern(text: str) -> str:
    if len(text) > _MAX_PATTERN:
        raise ValueError(f"is longer than any path ({_MAX_PATTERN} bytes)")
    return str(addresses.absolute_path(text))


def _stripped(value: object) -> object:
    return value.strip() or None if isinstance(value, str) else value


def _without_line_end(value: object) -> object:
    # A password may end with a blank; a final line feed comes from `echo`.
    return value.rstrip("\r\n") or None if isinstance(value, str) else value


Size = Annotated[int, BeforeValidator(_size), BeforeValidator(_no_truth), Field(gt=0, le=_MAX_BYTES)]
Count = Annotated[int, BeforeValidator(_no_truth), Field(gt=0)]
Text = Annotated[str | None, BeforeValidator(_empty_is_none)]
Texts = Annotated[list[str], BeforeValidator(_one_or_many)]
Seconds = Annotated[float, BeforeValidator(_no_truth), Field(gt=0, le=_MAX_SECONDS, allow_inf_nan=False)]
Trimmed = Annotated[str | None, BeforeValidator(_stripped)]
Key = Annotated[Trimmed, _checked(_key), Field(repr=False)]
Password = Annotated[
    str | None, BeforeValidator(_without_line_end), _checked(_text_without_controls), Field(repr=False)
]
User = Annotated[Trimmed, _checked(_user)]
Certificates = Annotated[Text, _checked(addresses.certificates_at)]
Proxy = Annotated[Trimmed, _checked(addresses.proxy_of), Field(repr=False)]
# "direct": no proxy, although there is one for Elasticsearch.
KibanaProxy = Annotated[
    Trimmed, _checked(lambda text: text if text == "direct" else addresses.proxy_of(text)), Field(repr=False)
]
Name = Annotated[str, Field(max_length=255), AfterValidator(_name)]
Place = Annotated[
    Path, BeforeValidator(lambda value: addresses.absolute_path(value) if isinstance(value, str) else value)
]
Hosts = Annotated[
    list[Annotated[str, BeforeValidator(_stripped), AfterValidator(_host)]],
    BeforeValidator(_one_or_many),
    Field(repr=False),  # a URL may contain a login
]
Places = Annotated[list[Place], BeforeValidator(_one_or_many)]
Patterns = Annotated[list[Annotated[str, AfterValidator(_pattern)]], BeforeValidator(_one_or_many)]


Layout = Annotated[Text, _checked(log_format)]


class _Section(BaseModel):
    # Only the validator of the whole file is built, when it is used: one a section takes a start 30 ms.  So the
    # defaults are not validated either.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def _check_login(username: str | None, password: str | None) -> None:
    if (username is None) != (password is None):
        raise ValueError("username and password belong together; one of them is missing")


class Elasticsearch(_Section):
    """How to reach Elasticsearch; times in seconds."""

    hosts: Hosts = ["http://127.0.0.1:9200"]
    cloud_id: Annotated[Trimmed, _checked(lambda text: addresses.cloud_address(text) and text)] = None
    api_key: Key = None
    username: User = None
    password: Password = None
    ca_certs: Certificates = None
    ca_fingerprint: Annotated[Trimmed, _checked(addresses.fingerprint_of)] = None
    verify_certs: bool = True
    client_cert: Annotated[Text, _checked(addresses.path_of)] = None
    client_key: Annotated[Text, _checked(addresses.path_of)] = None
    proxy: Proxy = None
    request_timeout: Seconds = 30

    @model_validator(mode="after")
    def _reachable(self) -> Elasticsearch:
        if not self.hosts and not self.cloud_id:
            raise ValueError("give hosts or cloud_id")
        _check_login(self.username, self.password)
        if self.client_cert is not None:
            addresses.check_client_certificate(self.client_cert, self.client_key)
        elif self.client_key is not None:
            raise ValueError("client_key needs client_cert, the certificate that belongs to it")
        return self


class Kibana(_Section):
    """Where to install the saved objects; what is None is as in the section ``elasticsearch``."""

    url: Annotated[Trimmed, Field(repr=False)] = None
    space: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")] = "default"
    api_key: Key = None
    username: User = None
    password: Password = None
    ca_certs: Certificates = None
    verify_certs: bool | None = None
    proxy: KibanaProxy = None

    @model_validator(mode="after")
    def _address(self) -> Kibana:
        _check_login(self.username, self.password)
        if self.url is None:
            return self
        try:
            address = addresses.address_of(self.url, "http://127.0.0.1:5601")
        except ValueError as error:
            raise ValueError(f"Kibana's url {error}") from None
        if re.search(r"/(app|s)(/|$)", address.path):
            shown = self.url.rsplit("@", maxsplit=1)[-1]
            raise ValueError(
                f"url {shown!r} is a page in Kibana; leave out /app and /s (write the space into `space`)"
            )
        return self


class Batch(_Section):
    """Limits of one bulk request (bytes of its body, documents), how many are sent at once, and gzip."""

    max_bytes: Size = 5 * 2**20
    max_events: Count = 5000
    in_flight: Annotated[Count, Field(le=64)] = 2
    compress: bool = True


class Input(_Section):
    """Files beyond the built-in ones: shell patterns, the format of their lines, the stream they go to."""

    paths: Patterns
    format: Format = "auto"
    dataset: Dataset = "app"


class Redact(_Section):
    """Keys whose values are removed, and ids that are replaced by a keyed hash."""

    keys: Texts = ["password", "token", "secret", "authorization"]
    hash: Texts = []
    # Not stripped: another key would silently give other hashes.
    hash_key: Annotated[Text, _checked(_encodable), Field(repr=False)] = None

    @model_validator(mode="after")
    def _keyed(self) -> Redact:
        # Refuse to start rather than send plain ids, or hashes that can be guessed.
        if self.hash and self.hash_key is None:
            raise ValueError("hash needs a hash_key; without one anybody could compute the hashes of all ids")
        if self.hash_key is not None and len(self.hash_key) < MIN_HASH_KEY:
            raise ValueError(f"hash_key is too short; use at least {MIN_HASH_KEY} characters")
        for name in (*self.keys, *self.hash):
            if not any(map(str.isalnum, name)):
                raise ValueError(f"{name!r} is not the name of a key")
        return self


class Telemetry(_Section):
    """Where counters and health are served, as host:port; whether the sidecar ships documents of its own."""

    listen: Annotated[Text, _checked(lambda text: addresses.listen_address(text) and text)] = None
    documents: bool = True


class Shipper(_Section):
    """The sidecar; times in seconds, sizes in bytes."""

    state_dir: Place = Path("/var/lib/neuroflow-ship")
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.]{0,99}$")] = "default"
    environment: Name = "production"
    host_name: Name = "auto"
    timezone: Annotated[str, BeforeValidator(_zone)] = "local"
    worker_log_format: Layout = None
    worker_task_log_format: Layout = None
    pipeline_timezone: Annotated[str | None, BeforeValidator(_zone), BeforeValidator(_empty_is_none)] = None
    start: Annotated[str, AfterValidator(_start)] = "auto"
    watch: Literal["auto", "inotify", "poll"] = "auto"
    scan_interval: Seconds = 5
    flush_interval: Seconds = 1
    partial_line_timeout: Seconds = 5
    max_line_bytes: Size = 2**20
    shutdown_timeout: Seconds = 30
    log_format: Literal["auto", "json", "console"] = "auto"
    fast_path: bool = True
    batch: Batch = Batch.model_construct()
    inputs: list[Input] = []
    exclude: Texts = []
    follow_links_to: Places = []
    redact: Redact = Redact.model_construct()
    telemetry: Telemetry = Telemetry.model_construct()

    @property
    def layouts(self) -> tuple[str, ...]:
        """Formats of Celery's log; the format of tasks, which has more fields, comes first."""
        return tuple(filter(None, (self.worker_task_log_format, self.worker_log_format)))

    @property
    def container_timezone(self) -> str:
        """Time zone of timestamps that containers print."""
        return self.pipeline_timezone or self.timezone

    @property
    def host(self) -> str:
        """Name of this machine in documents and generations."""
        return socket.gethostname() if self.host_name == "auto" else self.host_name


class _Ours(_Section):
    elasticsearch: Elasticsearch = Elasticsearch.model_construct()
    kibana: Kibana = Kibana.model_construct()
    shipper: Shipper = Shipper.model_construct()


class Config(_Ours):
    """Everything the sidecar and the views need from ``neuroflow.yaml``.

    Attributes:
        sections: those of ours that the file has.
        credentials: all secrets in the file, to be masked.
    """

    path: Path
    log_dir: Path
    sections: frozenset[str] = frozenset()
    credentials: Annotated[frozenset[str], Field(repr=False, exclude=True)] = frozenset()


def find(explicit: str | None, environ: Mapping[str, str], home: Path, directory: Path = Path()) -> Path:
    """Find the configuration file, in the application's search order, as a process in ``directory`` does.

    Raises:
        ConfigError: no file was named or found.
    """
    if explicit:
        return Path(explicit)
    if named := environ.get("NEUROFLOW_CONFIG"):
        return Path(named)
    places = [
        directory / "neuroflow.yaml",
        home / ".config/neuroflow/neuroflow.yaml",
        Path("/etc/neuroflow/neuroflow.yaml"),
    ]
    for place in places:
        if os.path.isfile(place):  # noqa: PTH113 - Path.is_file raises where a directory may not be entered
            return place
    looked = ", ".join(str(place) for place in places)
    raise ConfigError(f"no configuration: name one with --config (looked for {looked})")


def load(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read and check the configuration file.

    Raises:
        ConfigError: the file is missing, unreadable, not YAML, or invalid in one of our sections.
    """
    document = read(path)
    written = {section: document[section] for section in OUR_SECTIONS if document.get(section) is not None}
    ours, problems, secrets = expand(written, os.environ if environ is None else environ)
    credentials = credentials_in(ours, secrets)
    try:
        settings = _Ours.model_validate(ours)
    except ValidationError as error:
        problems += [sentence_of(detail, _Ours) for detail in error.errors(include_url=False)]
    if problems:
        mask = CredentialMask().add(credentials)
        # Masked first: of a credential that is cut nothing would be recognised.
        raise ConfigError("\n".join(f"{path}: {shortened(mask.text(problem))}" for problem in problems))
    formats = {key: text for key, text in log_formats(document).items() if getattr(settings.shipper, key) is None}
    return Config.model_construct(
        elasticsearch=settings.elasticsearch,
        kibana=settings.kibana,
        shipper=settings.shipper.model_copy(update=formats),
        path=path,
        log_dir=log_dir_of(path, document),
        sections=frozenset(section for section in OUR_SECTIONS if section in document),
        credentials=credentials,
    )


def log_dir_of(path: Path, document: Mapping[str, Any]) -> Path:
    """The application's log directory, from its sections.  Raises: ConfigError: it is no directory's name."""
    for section in ("logging", "paths"):
        part = document.get(section)
        value = part.get("log_dir") if isinstance(part, dict) else None
        if value is None:
            continue
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{path}: {section}.log_dir: expected a directory, found {value!r}")
        try:
            return addresses.absolute_path(value)
        except ValueError as error:
            raise ConfigError(f"{path}: {section}.log_dir: {error}") from None
    return DEFAULT_LOG_DIR
