"""The parts of the benchmark: what each verb of ``csptrain bench`` measures, and all of them together."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from csptrain.bench import evaluation, infer, loading, memory, pipeline, suppression, training
from csptrain.bench.alternate import Say, Turns
from csptrain.bench.infer import Subject, Wanted
from csptrain.bench.result import Comparison
from csptrain.cfg import edit, text
from csptrain.cfg.text import Reading
from csptrain.errors import CspError
from csptrain.formats.files import write_atomically
from csptrain.graph import plan
from csptrain.zoo.contents import compose
from csptrain.zoo.rows import table5 as paper

QUICK_SIZE = 96
INFERRED = ("yolov3-tiny", "csppeleenet-efm", "csresnext50")
TRAINED = ("yolov3-tiny", "csppeleenet-efm", "csresnext50-panet-spp")
BATCH = 4
#: What is read, whose memory of inference is measured at which size, and what is trained for its memory.
LOADED, HELD, HELD_SIZE, HELD_IN_TRAINING = "yolov4", "yolov4", 608, "csppeleenet-efm"


@dataclass(frozen=True)
class Settings:
    """How to measure: ``rounds`` turns of each side; ``quick`` is small work, for a trial."""

    wanted: Wanted
    say: Say
    rounds: int = 5
    quick: bool = False
    batch: int = BATCH

    @property
    def turns(self) -> Turns:
        """For passes of any length."""
        return Turns(self.rounds, 2, 0.2, 1) if self.quick else Turns(self.rounds)

    @property
    def threads(self) -> int:
        """Of every side that uses more than one."""
        return self.wanted.threads


def subject(name: str, size: int | None, quick: bool = False, shown: str | None = None) -> Subject:
    """A network of the zoo at a size, its own without; ``shown`` is its name in the tables. Raises CfgError."""
    side = QUICK_SIZE if quick else size
    content = compose(name, side, side)
    return Subject(shown or name, content, plan(text.parse(content, f"{name}.cfg")))


def run_inference(subjects: Sequence[Subject], settings: Settings) -> Iterator[Comparison]:
    """Each network in all wanted runtimes."""
    for one in subjects:
        yield infer.runtimes(one, settings.wanted, settings.turns, settings.say)


def run_table5(settings: Settings) -> Iterator[Comparison]:
    """The networks of the paper's Table 5 in each wanted runtime, beside the paper's ratios on its CPU."""
    rows = [row for row in paper.ROWS if row.cfg]
    subjects = [subject(row.cfg, row.size, settings.quick, row.name) for row in rows]
    base = float(rows[0].cpu_fps)
    about = {
        row.name: {
            "size": str(one.graph.net.width),
            "paper's ratio": f"{float(row.cpu_fps) / base:.2f}" if row.cpu_fps else "-",
        }
        for row, one in zip(rows, subjects, strict=True)
    }
    for runtime in settings.wanted.runtimes:
        found = infer.networks(subjects, runtime, settings.wanted, settings.turns, settings.say)
        figures = tuple(replace(figure, about={**about[figure.side], **figure.about}) for figure in found.figures)
        title = f"Table 5 of the CSPNet paper in {runtime}, batch 1"
        note = "the paper's ratios are of its CPU column, a Core i9-9900K"
        yield replace(found, key=f"table5/{runtime}", title=title, figures=figures, notes=(note,))


def run_training(subjects: Sequence[Subject], settings: Settings) -> Iterator[Comparison]:
    """A step of each network against the plain baseline."""
    for one in subjects:
        with tempfile.TemporaryDirectory(prefix="csptrain.") as folder:
            turns = settings.turns.single(warm_up=2)
            yield training.compare(_course(one, Path(folder), settings), settings.threads, turns, settings.say)


def run_memory(settings: Settings) -> Iterator[Comparison]:
    """Inference and training."""
    yield memory.inference(subject(HELD, HELD_SIZE, settings.quick), settings.wanted, settings.say)
    with tempfile.TemporaryDirectory(prefix="csptrain.") as folder:
        course = _course(subject(HELD_IN_TRAINING, None, settings.quick), Path(folder), settings)
        yield memory.train(course, settings.threads, settings.say)


def run_loading(settings: Settings) -> Iterator[Comparison]:
    """A network of 64 million parameters, with ``quick`` one of 9."""
    name = "yolov3-tiny" if settings.quick else LOADED
    with tempfile.TemporaryDirectory(prefix="csptrain.") as folder:
        cfg = Path(folder, f"{name}.cfg")
        write_atomically(cfg, [compose(name).encode()], CspError)
        yield loading.compare(name, cfg, Path(folder), settings.threads, settings.turns.single(), settings.say)


def run_pipeline(settings: Settings) -> Iterator[Comparison]:
    """Training samples with mosaic."""
    yield pipeline.compare(4 if settings.quick else pipeline.SAMPLES, settings.turns, settings.say)


def run_evaluation(settings: Settings) -> Iterator[Comparison]:
    """COCO's figures, Darknet's mAP, and suppression."""
    turns = settings.turns.single(warm_up=0)
    images = 20 if settings.quick else evaluation.IMAGES
    yield evaluation.compare(images, evaluation.FOUND, evaluation.CLASSES, settings.threads, turns, settings.say)
    boxes, classes = (200, 8) if settings.quick else (suppression.BOXES, suppression.CLASSES)
    yield suppression.compare(boxes, classes, settings.threads, turns, settings.say)


def run_all(settings: Settings) -> Iterator[Comparison]:
    """Everything that a goal is set for."""
    quick = settings.quick
    yield from run_inference([subject(name, None, quick) for name in INFERRED], settings)
    yield from run_training([subject(name, None, quick) for name in TRAINED], settings)
    yield from run_memory(settings)
    yield from run_pipeline(settings)
    yield from run_loading(settings)
    yield from run_evaluation(settings)


def _course(one: Subject, folder: Path, settings: Settings) -> training.Course:
    """A network as an iteration of one batch; its cfg is written into ``folder``."""
    changes = {"batch": str(settings.batch), "subdivisions": "1"}
    sections = text.parse(one.text, one.name, Reading(lenient=True))  # whoever planned it has told its mistakes
    sections, _ = edit.set_options(sections, ("net", "network"), changes)
    cfg = folder / f"{one.name}.cfg"
    write_atomically(cfg, [text.render(sections).encode()], CspError)
    return training.Course(one.name, cfg, settings.batch, settings.wanted.device, settings.wanted.bf16)
