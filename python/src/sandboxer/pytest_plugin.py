"""The conformance suite as tests of pytest, a check each.

    pytest --sandboxer-extension=ext.my-backend --sandboxer-catalog=.

The same can stand in the project's configuration, as ``sandboxer_extensions`` and ``sandboxer_catalogs``. All selected checks of an
extension are run by one ``sandboxer ext test``, which starts with the first of them that pytest comes to.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Iterator, Optional

import pytest

LEVELS = ("L1", "L2", "L3", "L4")
LIST_SECONDS = 60.0
"""More than listing the checks takes."""


class Settings:
    """What was asked for, on the command line or in the project's configuration."""

    def __init__(self, config: pytest.Config) -> None:
        option = config.getoption
        root = Path(str(config.rootpath))
        self.extensions: list[str] = option("sandboxer_extension") or list(config.getini("sandboxer_extensions"))
        catalogs = option("sandboxer_catalog") or [root / folder for folder in config.getini("sandboxer_catalogs")]
        self.catalogs = [str(folder) for folder in catalogs]
        self.program: str = option("sandboxer_program")
        self.level: Optional[str] = option("sandboxer_level")
        self.seed: Optional[int] = option("sandboxer_seed")

    def command(self, *words: str) -> list[str]:
        catalogs = (word for folder in self.catalogs for word in ("--catalog", folder))
        return [self.program, *catalogs, "ext", "test", *words, "--json"]


class SuiteError(Exception):
    """``sandboxer`` could not be run, or did not report."""


class Failed(Exception):
    """A check failed: why, and what travelled."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sandboxer", "extensions of sand-boxer")
    add = group.addoption
    add("--sandboxer-extension", action="append", metavar="EXT", help="test this extension; repeatable")
    add("--sandboxer-catalog", action="append", metavar="DIR", help="a folder that holds `extensions/`; repeatable")
    add("--sandboxer-level", metavar="LEVEL", help="only the checks of this level and of those below: L1 to L4")
    add("--sandboxer-seed", type=int, metavar="N", help="what the random instants follow from")
    add("--sandboxer-program", default="sandboxer", metavar="PATH", help="the `sandboxer` to use")
    parser.addini("sandboxer_extensions", "the extensions to test", type="linelist")
    parser.addini("sandboxer_catalogs", "folders that hold `extensions/`, from the project's root", type="linelist")


class Plugin:
    """Adds the checks to what pytest has collected."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        # First, so that `-k` and `-m` choose among the checks, too.
        for extension in self.settings.extensions:
            suite: Suite = Suite.from_parent(session, name=extension, nodeid=extension, settings=self.settings)
            items.extend(session.genitems(suite))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            if isinstance(item, Check):
                item.suite.selected.append(item.name)


def pytest_configure(config: pytest.Config) -> None:
    for level in LEVELS:
        config.addinivalue_line("markers", f"sandboxer_{level}: a check of extensions, of that level")
    settings = Settings(config)
    if settings.extensions:
        config.pluginmanager.register(Plugin(settings), "sandboxer-checks")


class Suite(pytest.Collector):
    """The checks of an extension."""

    def __init__(self, *, settings: Settings, **more: Any) -> None:
        super().__init__(**more)
        self.settings = settings
        self.selected: list[str] = []
        self.results: Optional[dict[str, dict[str, Any]]] = None
        self.seed: Optional[int] = None
        self.words = ""

    def collect(self) -> Iterator[Check]:
        level = ["--level", self.settings.level] if self.settings.level else []
        try:
            listed = report_of(self.settings.command(self.name, "--list", *level), LIST_SECONDS, "checks")
        except SuiteError as error:
            raise self.CollectError(str(error)) from error
        for check in listed["checks"]:
            yield Check.from_parent(self, name=check["id"], rule=check["rule"], level=check["level"])

    def result(self, check: str) -> dict[str, Any]:
        """What became of a check. The first question runs all that are selected."""
        if self.results is None:
            # Should that fail, the others fail as well, and nothing is run twice.
            self.results = {}
            words = [word for check in self.selected for word in ("--check", check)]
            seed = [] if self.settings.seed is None else ["--seed", str(self.settings.seed)]
            try:
                report = report_of(self.settings.command(self.name, *words, *seed), None, "checks")
            except SuiteError as error:
                self.words = str(error)
                raise
            self.seed = report["seed"]
            self.results = {result["id"]: result for result in report["checks"]}
            left = "".join(f"\n  {what}" for what in report.get("left_over", []))
            self.words = f"some of its sandboxes may still exist:{left}" if left else "the suite ended before this check"
        if check not in self.results:
            raise SuiteError(self.words)
        return self.results[check]


class Check(pytest.Item):
    """One rule."""

    def __init__(self, *, rule: str, level: str, **more: Any) -> None:
        super().__init__(**more)
        self.rule = rule
        self.add_marker(f"sandboxer_{level}")

    @property
    def suite(self) -> Suite:
        assert isinstance(self.parent, Suite)
        return self.parent

    def runtest(self) -> None:
        result = self.suite.result(self.name)
        reason = str(result.get("reason", ""))
        if result["outcome"] == "skipped":
            pytest.skip(reason)
        if result["outcome"] == "failed":
            again = f"again: sandboxer ext test {self.suite.name} --check {self.name} --seed {self.suite.seed}"
            raise Failed("\n".join([reason, f"rule: {self.rule}", *result.get("transcript", []), again]))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, (Failed, SuiteError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, Optional[int], str]:
        return self.path, None, self.name


def report_of(command: list[str], seconds: Optional[float], member: str) -> dict[str, Any]:
    """What the command reports as JSON, whatever its status: a check that fails is a report, too."""
    process = subprocess_of(command)
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.communicate()
        raise SuiteError(f"`{command[0]}` takes longer than {seconds} s to list the checks") from error
    except KeyboardInterrupt:
        # It heard the same key, and removes what it has made.
        process.communicate()
        raise
    try:
        report = json.loads(output)
    except ValueError:
        report = None
    if not isinstance(report, dict) or member not in report:
        said = errors.strip() or "nothing"
        raise SuiteError(f"`{command[0]}` ended with {process.returncode} and without a report; it said: {said}")
    return report


def subprocess_of(command: list[str]) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, encoding="utf-8", errors="replace"
        )
    except OSError as error:
        raise SuiteError(f"`{command[0]}` cannot be started: {error.strerror}") from error
