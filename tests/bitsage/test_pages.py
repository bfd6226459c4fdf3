"""The pages find each other: every link leads to a file and heading that exist, and README lists every page."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md"), *(ROOT / "examples").rglob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
#: `docs/page.md` or `page.md`, written as a word and not as a link.
MENTION = re.compile(r"(?<![\w/(])((?:docs/)?[a-z_]+\.md)(?![\w)])")


def _prose(page: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def _anchors(page: Path) -> set[str]:
    """What GitHub makes of the page's headings."""
    titles = re.findall(r"^#+ (.+)$", _prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_there_are_pages_and_links() -> None:
    assert len(PAGES) > 20
    assert sum(len(LINK.findall(_prose(page))) for page in PAGES) > 50


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(_prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.is_relative_to(ROOT), target
        assert found.exists(), target
        assert not anchor or anchor in _anchors(found), target


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_page_that_is_mentioned_exists(page: Path) -> None:
    for name in MENTION.findall(_prose(page)):
        assert any((folder / name).exists() for folder in (ROOT, ROOT / "docs", page.parent)), name


def test_the_readme_lists_every_page_once() -> None:
    table = [line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| [")]
    listed = [target for line in table for target in LINK.findall(line)]
    assert sorted(listed) == sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))
