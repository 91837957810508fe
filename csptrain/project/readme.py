"""What to type next, and the read-me of a project that says it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple


class Step(NamedTuple):
    """A command line and what it is for."""

    purpose: str
    command: str


def next_steps(folder: Path, picture: str, has_test: bool) -> list[Step]:
    """The commands from data to a network that runs elsewhere; ``picture`` is one to try it on."""
    name = folder.name
    data, cfg, names, opencv = (
        str(folder / word) for word in (f"{name}.data", f"{name}.cfg", f"{name}.names", "opencv")
    )
    trained = [str(folder / "backup" / word) for word in (f"{name}.cfg", f"{name}_best.weights")]
    split = ["--split", "test"] if has_test else []
    steps = [
        ("look at the data before training", ["doctor", data, cfg, "--html", str(folder / "doctor.html")]),
        ("train; --resume goes on after a stop", ["detector", "train", data, cfg, "-map"]),
        ("measure", ["detector", "map", data, *trained, *split]),
        ("look: predictions.jpg", ["detector", "test", data, *trained, picture]),
        (
            "export to OpenCV, compared on pictures",
            ["export", "opencv", *trained, "-o", opencv, "--names", names, "--images", str(folder / "valid.txt")],
        ),
    ]
    return [Step(purpose, shlex.join(["csptrain", *words])) for purpose, words in steps]


def readme(name: str, origin: str, told: list[str], steps: list[Step]) -> str:
    """Markdown: where the data came from, what was chosen, the files, the commands."""
    commands = "\n".join(f"# {step.purpose}\n{step.command}" for step in steps)
    choices = "\n".join(f"    {line}" for line in told)
    return f"""# {name}

Made by `{origin}`.

{choices}

| file | what |
|---|---|
| `images/` | the pictures (links, unless they were copied) and a label file beside each |
| `train.txt`, `valid.txt`, `test.txt` | pictures to learn from, to measure on while training, and to keep for the end |
| `{name}.names`, `{name}.data` | class names, and the file that names all others |
| `{name}.cfg` | the network and how it is trained |

Run these where you ran the first, from the folder above this one:

```sh
{commands}
```
"""
