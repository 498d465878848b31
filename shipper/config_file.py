"""Reads and parses ``neuroflow.yaml`` and fills in variables and secrets; ``config`` interprets the keys."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from shipper.addresses import absolute_path
from shipper.regular_files import read_regular
from shipper.secret_files import secret_in

# The YAML parser may quote a part of a password: "found undefined alias 'hunter2'".
_QUOTED = re.compile(r"""'(?!<|\\.')[^']{2,}'|"(?!<|\\.")[^"]{2,}\"""")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
# The path may contain variables: ${file:${CREDENTIALS_DIRECTORY}/es-key}.
_REFERENCE = re.compile(rf"\$\{{file:((?:[^${{}}]|{_VARIABLE.pattern})*)\}}|{_VARIABLE.pattern}")
# Aliases can expand a short file to any size: more values are a mistake or an attack.
_MAX_VALUES = 100_000
# So long a file is not a configuration: the parser would take minutes.
MAX_BYTES = 4 * 2**20
# Seconds to wait for a file that is being written: between two reads, and in all.
_PAUSE, _PATIENCE = 0.1, 2.0


class ConfigError(Exception):
    """The configuration is invalid; the message says what to change."""


def read(path: Path) -> dict[str, Any]:
    """The file's sections.

    Raises:
        ConfigError: it is missing, unreadable, empty, or not YAML.
    """
    try:
        text = read_regular(path, MAX_BYTES).decode()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; name the application's neuroflow.yaml") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"{str(path)!r}: not a valid file name") from None
    try:
        document = _parsed(text)
    except _TwiceError as error:
        raise ConfigError(f"{path}: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it can't be parsed"
        raise ConfigError(f"{path}: not valid YAML{where}: {_QUOTED.sub('…', problem)}") from None
    except ValueError as error:  # "2024-13-01" looks like a date to YAML, and is none
        raise ConfigError(f"{path}: not valid YAML: {_QUOTED.sub('…', str(error))}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid YAML: nested too deeply") from None
    if document is None:
        # Perhaps an editor is saving it; the defaults would name another cluster and other directories.
        raise ConfigError(f"{path}: the file is empty; write `shipper: {{}}` to use the defaults")
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected sections (a mapping), found a {type(document).__name__}")
    return document


OUR_SECTIONS = ("elasticsearch", "kibana", "shipper")


class _TwiceError(ValueError):
    """A section of ours, or a key in one, is there twice."""


def _parsed(text: str) -> Any:
    """The document; YAML lets the second of two equal keys replace the first, which in our sections is a mistake."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if isinstance(root, yaml.MappingNode):
            _check_once(root, "", frozenset(OUR_SECTIONS))
            for key, value in root.value:
                if key.value in OUR_SECTIONS:
                    _check_once(value, f"{key.value}.", None)
        return None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _check_once(node: yaml.Node, above: str, only: frozenset[str] | None) -> None:
    """Raise ``_TwiceError`` for a key that is there twice: one of ``only``, else any, also in the mappings below."""
    lines: dict[str, int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if not isinstance(key, yaml.ScalarNode) or (only is not None and key.value not in only):
            continue
        line = key.start_mark.line + 1
        if key.value in lines and key.tag != "tag:yaml.org,2002:merge":
            raise _TwiceError(
                f"{above}{key.value} is there twice, in the lines {lines[key.value]} and {line}, and the second "
                "would replace the first: join them"
            )
        lines[key.value] = line
        # What is below has one level at most; an alias may lead into itself.
        if above.count(".") == 1:
            _check_once(value, f"{above}{key.value}.", only)


def wait_until_saved(
    path: Path,
    wall: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait, two seconds at most, until a file that an editor may be saving seems to be complete."""
    before: bytes | None = None
    for _ in range(round(_PATIENCE / _PAUSE)):
        with suppress(OSError, ValueError):
            if wall() - path.stat().st_mtime > 1 and path.stat().st_size:
                return
        try:
            now = read_regular(path, MAX_BYTES)
        except (OSError, ValueError):
            now = b""
        if now and now == before:
            return
        before = now
        sleep(_PAUSE)


def log_format(text: str) -> str:
    """Validate a format of Celery's log, as in Celery's configuration.

    Raises:
        ValueError: it lacks ``%(message)s``, or begins with a blank.
    """
    if "%(message)s" not in text or text.startswith((" ", "\t")):
        raise ValueError(
            "is no format of Celery's log; write it as in Celery's configuration, with %(message)s in it"
        )
    return text


def log_formats(document: Mapping[str, Any]) -> dict[str, str]:
    """The formats of Celery's log that the application's section ``celery`` names; invalid ones are ignored."""
    section = document.get("celery")
    named: dict[str, str] = {}
    for key in ("worker_log_format", "worker_task_log_format"):
        text = section.get(key) if isinstance(section, dict) else None
        if isinstance(text, str):
            with suppress(ValueError):
                named[key] = log_format(text)
    return named


class Expanded(NamedTuple):
    """The sections without references.

    Attributes:
        sections: with values in the place of ``${…}``.
        problems: a sentence for each reference without a value.
        secrets: the values that came from files.
    """

    sections: dict[str, Any]
    problems: list[str]
    secrets: frozenset[str]


def expand(
    sections: dict[str, Any], environ: Mapping[str, str], read_secret: Callable[[Path], str] = secret_in
) -> Expanded:
    """Fill in ``${VAR}``, ``${VAR:-default}`` and ``${file:/path}``; values are not expanded again."""
    problems: list[str] = []
    secrets: set[str] = set()
    count = 0

    def filled(value: Any, where: str) -> Any:
        nonlocal count
        count += 1
        if count > _MAX_VALUES:
            raise RecursionError
        if isinstance(value, dict):
            return {key: filled(item, f"{where}.{key}") for key, item in value.items()}
        if isinstance(value, list):
            return [filled(item, f"{where}.{i}") for i, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        if "${" in _REFERENCE.sub("", value):
            problems.append(
                f"{where}: a ${{ in it begins no reference: write ${{VAR}}, ${{VAR:-default}} or ${{file:/a/path}}; "
                "a value that contains ${ can come from a variable or a file"
            )
        return _REFERENCE.sub(lambda found: value_of(found, where), value)

    def value_of(found: re.Match[str], where: str) -> str:
        if found[1] is None:
            return of_variable(found[4], found[5], where)
        before = len(problems)
        text = _VARIABLE.sub(lambda inner: of_variable(inner[1], inner[2], where), found[1])
        if len(problems) > before:
            return ""
        try:
            secret = read_secret(absolute_path(text))
        except ValueError as error:
            # Not "api_key: /path": the sidecar's log would take the path for the key, and redact it.
            problems.append(f"{where}, from a file: {error}")
            return ""
        secrets.add(secret)
        return secret

    def of_variable(name: str, default: str | None, where: str) -> str:
        text = environ.get(name) or default
        if text is None and name not in environ:
            problems.append(
                f"{where}: environment variable {name} is not set (write ${{{name}:-default}} if it may be)"
            )
        return text or ""

    try:
        complete = {name: filled(section, name) for name, section in sections.items()}
    except RecursionError:
        problem = "its sections have too many values, or contain themselves (check the & anchors and * aliases)"
        return Expanded({}, [problem], frozenset(secrets))
    return Expanded(complete, problems, frozenset(secrets))


def home_directory() -> Path:
    """This user's home directory; ``/`` for a user without any, as in a container that gives it a number only."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")
