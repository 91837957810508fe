"""What a shared server and a real data set do to a training, and how it ends nevertheless."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from csptrain.cli.main import main
from csptrain.cli.progress import Display
from csptrain.formats.checkpoint import load_state
from csptrain.train.log import Record, read_results
from tests import tiny
from tests.fuzz.files import png
from tests.threads import one_thread

ROOT = Path(__file__).parents[2]
ITERATIONS = 12
PICTURES = Path(__file__).parent / "pictures"
EXIF_TURNED = bytes.fromhex("ffe1002245786966000049492a00080000000100120103000100000006000000000000000000")


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The command line of a training in the working directory."""
    monkeypatch.chdir(tmp_path)
    tiny.write_set(tmp_path)
    (tmp_path / "tiny.cfg").write_text(tiny.cfg(max_batches=ITERATIONS, net="mosaic=1\n", yolo="random=1\n"))
    with one_thread():
        yield [
            "detector", "train", "tiny.data", "tiny.cfg", "--workers", "0", "--device", "cpu", "--amp", "off",
            "--save_last", "2",
        ]  # fmt: skip


def at_iterations(monkeypatch: pytest.MonkeyPatch, acts: dict[int, Callable[[], None]]) -> None:
    """Let something happen when an iteration has been told."""
    told = Display.iteration

    def iteration(self: Display, record: Record, hours_left: float) -> None:
        told(self, record, hours_left)
        if record.iteration in acts:
            acts[record.iteration]()

    monkeypatch.setattr(Display, "iteration", iteration)


def final(folder: Path) -> bytes:
    return (folder / "tiny_final.weights").read_bytes()


def test_killed_trainings_lose_nothing() -> None:
    """A handful of what `python -m tests.faults` does by the hundred."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--kills", "3"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(r"3 kills", done.stdout) and "0 wrong" in done.stdout


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A tmpfs of a few hundred KiB there; skipped where it cannot be mounted."""
    folder.mkdir()
    mounted = os.geteuid() == 0 and not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True, check=False
    ).returncode  # fmt: skip
    if not mounted:
        pytest.skip("cannot mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_full_for_a_while(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--backup", "whole"]) == 0
    filler = tmp_path / "disk" / "filler"
    left: list[int] = []

    def fill() -> None:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
            while True:
                stream.write(b"\0" * 4096)

    def look() -> None:
        left.append(load_state(tmp_path / "disk" / "tiny.state").meta["iteration"])
        filler.unlink()

    with small_disk(tmp_path / "disk"):
        at_iterations(monkeypatch, {3: fill, 8: look})
        assert main([*words, "--backup", "disk"]) == 0
        said = capsys.readouterr().out
        assert left == [2], "the state from before is whole"
        assert "tiny.state: cannot be written: No space left on device; the training goes on" in said
        assert final(tmp_path / "disk") == final(tmp_path / "whole")
        assert [row["iteration"] for row in read_results(tmp_path / "disk" / "results.csv")] == list(range(1, 13))
        assert load_state(tmp_path / "disk" / "tiny.state").meta["iteration"] == ITERATIONS


def test_a_folder_that_may_not_be_written_for_a_while(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--backup", "whole"]) == 0
    allowed = tempfile.mkstemp

    def refuse(*_: object, **__: object) -> tuple[int, str]:
        raise PermissionError(errno.EACCES, "Permission denied")

    at_iterations(monkeypatch, {
        3: lambda: monkeypatch.setattr(tempfile, "mkstemp", refuse),
        8: lambda: monkeypatch.setattr(tempfile, "mkstemp", allowed),
    })  # fmt: skip
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "backup/tiny.state: cannot be written: Permission denied; the training goes on" in said
    assert final(tmp_path / "backup") == final(tmp_path / "whole")


def test_a_loader_process_that_is_killed(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--backup", "whole"]) == 0

    def kill() -> None:
        found = subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True, check=True)
        for child in map(int, found.stdout.split()):
            with contextlib.suppress(ProcessLookupError):  # pgrep itself
                if "defunct" not in Path(f"/proc/{child}/stat").read_text():
                    os.kill(child, signal.SIGKILL)

    at_iterations(monkeypatch, {3: kill})
    assert main([*words, "--workers", "1"]) == 0
    assert "a loader process died" in capsys.readouterr().out
    assert final(tmp_path / "backup") == final(tmp_path / "whole")


def test_images_of_every_kind(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "images"
    good = cv2.imread(str(folder / "00.png"))
    jpeg = cv2.imencode(".jpg", good)[1].tobytes()
    files = {
        "cmyk.jpg": (PICTURES / "cmyk.jpg").read_bytes(),
        "animated.gif": (PICTURES / "animated.gif").read_bytes(),
        "turned.jpg": jpeg[:2] + EXIF_TURNED + jpeg[2:],
        "16bit.png": cv2.imencode(".png", good.astype(np.uint16) * 257)[1].tobytes(),
        "alpha.png": cv2.imencode(".png", np.dstack((good, good[:, :, :1])))[1].tobytes(),
        "truncated.jpg": jpeg[: len(jpeg) // 2],
        "empty.jpg": b"",
        "bomb.png": png(20000, 20000),
        "text.png": b"not an image",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
        (folder / name).with_suffix(".txt").write_text("0 0.5 0.5 0.4 0.4\n")
    (folder / "folder.png").mkdir()
    with (tmp_path / "list.txt").open("a") as stream:
        stream.writelines(f"{folder}/{name}\n" for name in [*files, "folder.png"])
    assert main(words) == 0
    bad = {Path(line).name for line in (tmp_path / "backup" / "bad.list").read_text().splitlines()}
    assert bad == {"truncated.jpg", "empty.jpg", "bomb.png", "text.png", "folder.png"}
    assert "cannot be decoded and is left out" in capsys.readouterr().out


def test_a_data_set_that_changes_underneath(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Nothing is held in memory, so that the files are read again and again.
    monkeypatch.setattr("csptrain.cli.training_run.CACHE_BYTES", 0)
    images = tmp_path / "images"

    def change() -> None:
        (images / "00.png").unlink()
        (images / "01.png").write_bytes(b"half")
        cv2.imwrite(str(images / "02.png"), np.zeros((7, 200, 3), np.uint8))
        (images / "03.txt").unlink()

    at_iterations(monkeypatch, {3: change})
    assert main([*words, "-map", "-map_every", "6"]) == 0
    bad = {Path(line).name for line in (tmp_path / "backup" / "bad.list").read_text().splitlines()}
    assert bad == {"00.png", "01.png"}


def test_a_validation_set_that_is_gone(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--backup", "whole"]) == 0
    at_iterations(monkeypatch, {11: lambda: shutil.rmtree(tmp_path / "images")})
    assert main([*words, "-map", "-map_every", "12"]) == 0
    assert "the validation set cannot be measured" in capsys.readouterr().out
    assert final(tmp_path / "backup") == final(tmp_path / "whole"), "which is in memory"


def test_no_shared_memory_and_no_home(words: list[str], tmp_path: Path) -> None:
    """As in a container that has neither."""
    inside = 'mount -t tmpfs -o ro,size=4k none /dev/shm && exec "$@"'
    if subprocess.run(["unshare", "-m", "sh", "-c", inside, "sh", "true"], capture_output=True, check=False).returncode:
        pytest.skip("cannot take /dev/shm away here")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", inside, "sh", sys.executable, "-m", "csptrain", *words, "--workers", "2"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HOME": "/proc/none", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (
        "warning: there is no shared memory (/dev/shm), so images are prepared without worker processes" in done.stdout
    )
    assert "0 worker(s)" in done.stdout and (tmp_path / "backup" / "tiny_final.weights").exists()
