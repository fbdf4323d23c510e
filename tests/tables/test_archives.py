"""Files that are made of members of a repository's archive: the same whatever packed it, from a
mirror or from the forge, and no other archive.
"""

import hashlib
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.tables.sources import fetching
from surrogate_nas.tables.sources.base import manifest
from tests.archives import tarred

ADDRESS = "owner/repo/0123456789abcdef"
MEMBER = "paper/exp/a/0-evaluation/0/report.json"
OTHERS = {"README.md": b"no report", "paper/exp/a/0-tuning/report.json": b"nor this"}


def packed(path, report=b"{}", mode="w:gz"):
    """An archive of a repository, with one report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    members = {**OTHERS, MEMBER: report}
    return tarred(
        path, ((f"repo-0123/{name}", members[name]) for name in members), mode
    )


@pytest.fixture
def of_archive(tmp_path, monkeypatch):
    """A source whose file is made of a small archive, an empty mirror and an empty home; returns
    where the mirror has the archive.
    """
    whole = tarred(tmp_path / "whole.tar", [(MEMBER, b"{}")])
    owner, repo, commit = ADDRESS.split("/")
    digest = hashlib.sha256(whole.read_bytes()).hexdigest()
    entry = {
        "repository": f"{owner}/{repo}",
        "commit": commit,
        "archive": "all.tar.gz",
        "members": "paper/exp/*/0-evaluation/*/report.json",
        "files": {"reports.tar": {"sha256": digest, "bytes": whole.stat().st_size}},
    }
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setenv(fetching.MIRROR_VARIABLE, str(tmp_path / "mirror"))
    monkeypatch.setattr(fetching, "repositories", lambda source: [entry])
    return tmp_path / "mirror" / ADDRESS / "all.tar.gz"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_a_file_is_the_same_whatever_packed_the_archive(of_archive, mode):
    packed(of_archive, mode=mode)
    (path,) = fetching.fetch("small")
    with tarfile.open(path) as archive:
        assert archive.getnames() == [MEMBER]
    of_archive.unlink()
    assert fetching.fetch("small") == [path], (
        "what is there and right is not fetched again"
    )


def test_without_a_mirror_the_archive_is_the_forges(of_archive, tmp_path, monkeypatch):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    assert not of_archive.exists()
    packed(tmp_path / "forge/owner/repo/archive/0123456789abcdef.tar.gz")
    monkeypatch.delenv(fetching.MIRROR_VARIABLE)
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "forge"))
    ) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        host = f"http://127.0.0.1:{server.server_port}"
        path = manifest()["archive_url"].partition("//")[2].partition("/")[2]
        addresses = {"base_url": f"{host}/raw", "archive_url": f"{host}/{path}"}
        monkeypatch.setattr(fetching, "manifest", lambda: addresses)
        (fetched,) = fetching.fetch("small")
        server.shutdown()
    assert fetched.read_bytes() == (tmp_path / "whole.tar").read_bytes()


def _torn(path):
    content = packed(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _no_archive(path):
    packed(path).write_bytes(b"<html>not found</html>")


def _other_report(path):
    packed(path, b"[]")


def _large_report(path):
    packed(path, b" " * 1_000_000)


@pytest.mark.parametrize("spoil", [_torn, _no_archive, _other_report, _large_report])
def test_another_archive_is_refused_and_nothing_is_left(of_archive, tmp_path, spoil):
    spoil(of_archive)
    with pytest.raises(
        UserError, match=r"all\.tar\.gz was altered: its sha256 is not"
    ) as caught:
        fetching.fetch("small")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "home").rglob("*.tar"))


def test_an_absent_archive_is_one_line(of_archive):
    assert not of_archive.exists()
    with pytest.raises(UserError, match=r"Cannot fetch .*all\.tar\.gz"):
        fetching.fetch("small")
