"""``csptrain detector demo``: objects on a video, a camera or a network stream, printed, written and streamed."""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from csptrain.cli.arguments import Arguments, UsageError
from csptrain.cli.backends import declare_backend, open_backend
from csptrain.cli.trained import Trained, declare, fraction, load_trained, natural, positive
from csptrain.cli.voice import say, show, show_object, tell
from csptrain.errors import DataError

if TYPE_CHECKING:
    from csptrain.evaluate.detect import Detector
    from csptrain.live.record import FrameList, VideoFile
    from csptrain.live.server import JsonBroadcast, MjpegBroadcast
    from csptrain.live.source import Pixels, Source
    from csptrain.live.track import IntArray
    from csptrain.ops.decode import Detections

VERB = "detector demo"
_JPEG_QUALITY = 90


def arguments() -> Arguments:
    """The command line of the verb."""
    parser = Arguments(
        VERB,
        "Find objects on a video: csptrain detector demo x.data net.cfg net.weights [video]. The video is a file, an "
        "address (rtsp://, http://) or the number of a camera; without one camera 0 is opened. Ctrl-C ends it.",
        epilog="The streams are for this machine: they listen on 127.0.0.1 only.",
    )
    parser.positional("files", "[data] cfg weights [video|address|camera]", many=True)
    parser.option("thresh", fraction, 0.25, "least score of a detection (0.25)")
    parser.option("nms", fraction, 0.45, "overlap above which the weaker of two boxes goes; 0 keeps all (0.45)")
    parser.option("c", natural, 0, "number of the camera, where no video is named (0)", metavar="N")
    parser.option("s", natural, 0, "frames to pass over after each (0)", metavar="N")
    parser.option("time_limit_sec", positive, None, "end after so many seconds", metavar="N")
    parser.option(
        "out_filename", Path, None, "video to write the frames with their boxes to: .avi, .mp4", metavar="FILE"
    )
    parser.option("json_file_output", Path, None, "file for all detections as JSON", metavar="FILE")
    parser.option("out", Path, None, "the same", metavar="FILE")
    parser.option("prefix", str, None, "write each frame as PREFIX_00000001.jpg ...")
    parser.option("json_port", natural, None, "stream the detections as JSON, http://127.0.0.1:PORT", metavar="PORT")
    parser.option("mjpeg_port", natural, None, "stream the frames as MJPEG, for a browser", metavar="PORT")
    parser.flag("track", "number the objects, and keep the number of one that is seen again")
    parser.option(
        "track_buffer", natural, None, "frames that one may be unseen before it is forgotten (30)", metavar="N"
    )
    declare_backend(parser)
    declare(parser)
    parser.flag("ext_output", "print the boxes' pixels too")
    parser.flag("dontdraw_bbox", "write and stream the frames as they come")
    parser.flag("json", "print one JSON object for each frame, one a line, and nothing else")
    return parser


@dataclass(frozen=True)
class _Outputs:
    """Where the frames and what is on them go; None where nobody asked."""

    video: VideoFile | None
    frames: FrameList | None
    json: JsonBroadcast | None
    mjpeg: MjpegBroadcast | None
    prefix: str | None

    @property
    def pictures(self) -> bool:
        """Whether anyone looks at the frames."""
        return self.video is not None or self.mjpeg is not None or self.prefix is not None

    def record(self, record: dict[str, object]) -> None:
        """Write and stream what is on a frame."""
        if self.frames is not None:
            self.frames.add(record)
        if self.json is not None:
            self.json.send(record)


def run(argv: list[str]) -> int:
    """Detect until the video ends, and return the exit code; raises CspError."""
    parser = arguments()
    options = parser.parse(argv)
    if options.track_buffer is not None and not options.track:
        raise parser.error("--track-buffer is for --track")
    trained = load_trained(options, VERB, takes_inputs=True)
    words = trained.files.inputs
    if len(words) > 1:
        raise UsageError(f"{VERB} takes one video: found '{words[1]}' after it", hint=f"csptrain {VERB} --help")
    if trained.graph.net.channels != 3:
        raise DataError(
            f"the network takes {trained.graph.net.channels} channels, a video has 3", path=trained.files.cfg
        )

    from csptrain.live.source import open_source

    source = open_source(words[0] if words else None, options.c)
    with ExitStack() as stack:
        stack.callback(source.close)
        say(f"video file: {source.name}", f"Video stream: {source.size[0]} x {source.size[1]}")
        detect = stack.enter_context(open_backend(options, trained))
        _run(options, trained, detect, source, _open_outputs(options, source, stack))
    for path in (options.out_filename, options.json_file_output or options.out):
        if path is not None:
            tell(f"wrote {path}")
    return 0


def _open_outputs(options: argparse.Namespace, source: Source, stack: ExitStack) -> _Outputs:
    from csptrain.live.record import frame_list, video_file
    from csptrain.live.server import JsonBroadcast, MjpegBroadcast, broadcasting

    file, records = options.out_filename, options.json_file_output or options.out
    video = None if file is None else stack.enter_context(video_file(file, source.rate / (options.s + 1)))
    frames = None if records is None else stack.enter_context(frame_list(records))
    json = None if options.json_port is None else JsonBroadcast(options.json_port)
    if json is not None:
        stack.enter_context(broadcasting(json))
        tell(f"detections: {json.address}")
    mjpeg = None if options.mjpeg_port is None else MjpegBroadcast(options.mjpeg_port)
    if mjpeg is not None:
        stack.enter_context(broadcasting(mjpeg))
        tell(f"frames: {mjpeg.address}")
    return _Outputs(video, frames, json, mjpeg, options.prefix)


def _run(options: argparse.Namespace, trained: Trained, detect: Detector, source: Source, outputs: _Outputs) -> None:
    from csptrain.evaluate.look import look
    from csptrain.live.pace import Pace
    from csptrain.live.track import BUFFER, Tracker
    from csptrain.report.records import console_lines, frame

    names, pace = trained.data.names, Pace()
    tracker = Tracker(BUFFER if options.track_buffer is None else options.track_buffer) if options.track else None
    started = time.perf_counter()
    shown = 0
    for number, pixels in enumerate(source.frames()):
        if number % (options.s + 1):
            continue
        shown += 1
        size = (pixels.shape[1], pixels.shape[0])
        found, _ = look(trained.graph, detect, pixels, options.thresh, options.nms)
        tracks = None if tracker is None else tracker.follow(found)
        show("Objects:\n", *console_lines(found, names, size, options.ext_output))
        record = frame(shown, source.name, found, names, tracks)
        show_object(record)
        outputs.record(record)
        if outputs.pictures:
            plain = options.dontdraw_bbox
            _show(outputs, shown, pixels if plain else _drawn(pixels, found, options.thresh, names, tracks))
        pace.frame()
        say(f"\nFPS:{pace.now:.1f} \t AVG_FPS:{pace.average:.1f}\n")
        if options.time_limit_sec is not None and time.perf_counter() - started >= options.time_limit_sec:
            break
    if not shown:
        raise DataError("has no frame that can be decoded", path=source.name)


def _drawn(pixels: Pixels, found: Detections, thresh: float, names: tuple[str, ...], tracks: IntArray | None) -> Pixels:
    from csptrain.report.draw import confident_rows, draw_detections

    row, label = confident_rows(found, thresh)
    numbers = None if tracks is None else tracks[row]
    return draw_detections(pixels, found.boxes[row], label, found.prob[row, label], names, numbers)


def _show(outputs: _Outputs, number: int, picture: Pixels) -> None:
    """Write and stream a frame uint8 [H, W, 3] RGB; raises DataError."""
    if outputs.video is not None:
        outputs.video.add(picture)
    if outputs.mjpeg is None and outputs.prefix is None:
        return

    import cv2

    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    if not done:
        raise DataError(f"a frame of {bgr.shape[1]}x{bgr.shape[0]} is too large for a JPEG picture")
    jpeg = data.tobytes()
    if outputs.mjpeg is not None:
        outputs.mjpeg.send(jpeg)
    if outputs.prefix is not None:
        from csptrain.formats.files import write_atomically

        write_atomically(Path(f"{outputs.prefix}_{number:08d}.jpg"), [jpeg], DataError)
