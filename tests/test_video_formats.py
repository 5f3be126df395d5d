"""Videos from file to file, kind by kind: sound that plays everywhere, WebM and GIF, cuts, tags, the last picture."""

import threading
from fractions import Fraction

import av
import numpy as np
import pytest
from cases_video import Clip, clicks, frame_times, frames, grey, make_clip, packets, run, same
from PIL import Image

from pyapdraw.errors import BadInput, DeviceError, Unsupported
from pyapdraw.media.video import Encoding, VideoOptions, draw_frames, seconds

MJPEG = {"codec": "mjpeg", "pixel_format": "yuvj420p", "options": ()}
OPUS = "re-encoded as opus"


def sound_of(path):
    with av.open(str(path)) as container:
        context = container.streams.audio[0].codec_context
        return context.name, context.layout.nb_channels


# --- sound


@pytest.mark.parametrize(
    "suffix, codec, channels", [
        (".avi", "pcm_s16le", "stereo"), (".mkv", "pcm_s16le", "stereo"), (".mkv", "pcm_s24le", "mono"),
        (".mkv", "pcm_f32le", "5.1"), (".mkv", "pcm_s16be", "quad"), (".avi", "pcm_mulaw", "mono"),
        (".mkv", "mp2", "stereo"),
    ],
)  # fmt: skip
def test_sound_that_players_cannot_read_in_mp4_becomes_aac_in_step(tmp_path, suffix, codec, channels):
    clip = Clip(frames=60, **MJPEG, tones=(440,), sound_codec=codec, layout=channels, clicks=True)
    source, output, report = run(tmp_path, clip, suffix)
    assert report["tracks"][0]["how"] == "re-encoded as aac" and report["container"] == "regular"
    assert sound_of(output) == ("aac", av.AudioLayout(channels).nb_channels)
    given, expected = clicks(output), clicks(source)
    assert len(given) == len(expected) >= 2 and np.abs(given - expected).max() <= 0.001
    assert abs(length_s(output) - length_s(source)) <= 0.025


def length_s(path):
    with av.open(str(path)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


def test_a_camcorder_file_becomes_a_film_that_opens(tmp_path):
    clip = Clip(
        frames=30, rate=25, width=720, height=576, codec="dvvideo", options=(), tones=(440,), sound_codec="pcm_s16le",
        layout="stereo", clicks=True,
    )  # fmt: skip
    source, output, report = run(tmp_path, clip, ".avi")
    assert report["frames"]["drawn"] == 30 and len(frame_times(output)) == 30
    assert np.abs(clicks(output) - clicks(source)).max() <= 0.001
    content = output.read_bytes()
    assert content.count(b"moov") == 1 and b"moof" not in content


def test_odd_rates_and_gaps_stay_in_step(tmp_path):
    """37.8 kHz is no rate of AAC; and a piece of the sound is missing: silence stands for it."""
    clip = Clip(frames=96, **MJPEG, tones=(440,), sound_codec="pcm_s16le", sound_rate=37800, clicks=True)
    clip = Clip(**{**vars(clip), "sound_gap_s": (1.3, 1.8)})
    source, output, _ = run(tmp_path, clip, ".mkv")
    assert len(clicks(output)) == len(clicks(source)) == 3
    assert np.abs(clicks(output) - clicks(source)).max() <= 0.001


@pytest.mark.parametrize("codec, how", [("libopus", "copied"), ("aac", OPUS), ("pcm_s16le", OPUS)])
def test_webm_holds_vp9_and_opus(tmp_path, codec, how):
    clip = Clip(frames=60, tones=(440,), sound_codec=codec, clicks=True, captions="subrip")
    source, output, report = run(tmp_path, clip, ".mkv", ".webm", draw=grey)
    assert [t["how"] for t in report["tracks"]] == [how, "converted to webvtt"]
    assert output.read_bytes()[:100].count(b"webm") == 1
    assert sound_of(output)[0] in ("opus", "libopus")
    assert np.abs(clicks(output) - clicks(source)).max() <= 0.001
    assert np.allclose(frame_times(output), frame_times(source), atol=0.001)
    with av.open(str(output)) as container:
        assert container.streams.video[0].codec_context.name in ("vp9", "libvpx-vp9")
        assert next(bytes(p) for p in container.demux(subtitles=0) if p.size) == b"caption 0"
    for shown, given in zip(frames(output), frames(source)):
        assert np.abs(shown[:, :, 1].astype(int) - given[:, :, 1]).mean() < 4


def test_an_encoder_that_does_not_go_with_the_container_is_refused(tmp_path):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=3))
    with pytest.raises(Unsupported, match=r"libx264.*webm"):
        draw_frames(source, tmp_path / "out.webm", same, options=VideoOptions(Encoding(encoder="libx264")))
    assert [p.name for p in tmp_path.iterdir()] == ["in.mp4"]


# --- GIF


def moving_gif(path, delays_ms, loop):
    pictures = [Image.fromarray(np.full((40, 60), 20 * i, np.uint8)) for i in range(len(delays_ms))]
    loops = {} if loop is None else {"loop": loop}
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=delays_ms, **loops)
    return path


def delays_ms(path):
    with Image.open(path) as image:
        delays = []
        for number in range(image.n_frames):
            image.seek(number)
            delays.append(image.info["duration"])
        image.seek(0)
        return delays, image.info.get("loop")


@pytest.mark.parametrize("loop", [None, 0, 3])
def test_a_moving_gif_keeps_its_rounds_and_its_times(tmp_path, loop):
    wanted = [100, 40, 500, 70, 1230]
    source = moving_gif(tmp_path / "in.gif", wanted, loop)
    for draw in (lambda rgb, t: rgb[:, :, 0].copy(), same):
        report = draw_frames(source, tmp_path / "out.gif", draw, overwrite=True)
        assert report["frames"]["drawn"] == 5
        assert delays_ms(tmp_path / "out.gif") == (wanted, loop)
    one = moving_gif(tmp_path / "one.gif", [70, 90], 0)
    draw_frames(one, tmp_path / "two.gif", same, options=VideoOptions(end=0.05))
    assert delays_ms(tmp_path / "two.gif")[0] == [50]


def test_a_gif_of_a_video_has_the_greys_of_the_drawing_and_runs_for_ever(tmp_path):
    drawing = np.full((64, 96), 255, np.uint8)
    drawing[20:24], drawing[40:42] = 0, 119
    source = make_clip(tmp_path / "in.mp4", Clip(frames=30, rate=120, tones=(440,)))
    report = draw_frames(source, tmp_path / "out.gif", lambda rgb, t: np.roll(drawing, int(t * 100), 1))
    assert report["tracks"][0] | {"how": "left out", "reason": "a GIF has no sound"} == report["tracks"][0]
    with Image.open(tmp_path / "out.gif") as image:
        np.testing.assert_array_equal(np.asarray(image.convert("L")), drawing)
    delays, loop = delays_ms(tmp_path / "out.gif")
    assert loop == 0 and min(delays) >= 20 and 250 <= sum(delays) <= 260  # no delay that players stretch
    assert report["frames"]["too_close"] == 30 - len(delays)


def test_a_gif_in_colour_keeps_its_colours(tmp_path):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=4))
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, :48], pixels[:, 48:] = (200, 30, 40), (20, 30, 220)
    draw_frames(source, tmp_path / "out.gif", lambda rgb, t: pixels)
    with Image.open(tmp_path / "out.gif") as image:
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - pixels).max() <= 4


# --- a part of a video


def test_times_in_words():
    assert (
        seconds("1:02:03.5") == Fraction(7447, 2) and seconds("02:03") == 123 and seconds(" 7.25 ") == Fraction(29, 4)
    )
    assert seconds(None) is None and seconds(0.04) == Fraction(1, 25) and seconds(".5") == Fraction(1, 2)
    for wrong in ("", ".", "1:2:3:4", "-1", -1, "nan", float("nan"), "1:75", "soon", [1], float("inf")):
        with pytest.raises(BadInput, match="end"):
            seconds(wrong, "end")
    for options in ({"start": 2, "end": 1}, {"end": 0}):
        with pytest.raises(BadInput, match="end"):
            VideoOptions(**options)
    with pytest.raises(BadInput, match="crf"):
        Encoding(crf=52)


LONG_GROUPS = (("preset", "medium"), ("g", "40"))
CUTS = [
    (".mp4", Clip(frames=200, rate=25, tones=(440,), clicks=True, b_frames=2, options=LONG_GROUPS)),
    (".mkv", Clip(frames=200, rate=25, tones=(440,), clicks=True, sound_codec="libopus", captions="subrip")),
    (".avi", Clip(frames=200, rate=25, codec="mpeg4", options=(), tones=(440,), clicks=True, sound_codec="pcm_s16le")),
    (".mov", Clip(times=tuple(range(0, 12000, 77)), time_base=Fraction(1, 1000), **MJPEG, tones=(440,), clicks=True)),
]  # fmt: skip


@pytest.mark.parametrize("out", [".mp4", ".webm"])
@pytest.mark.parametrize("suffix, clip", CUTS)
def test_a_part_is_exact_to_the_frame_and_in_step(tmp_path, suffix, clip, out):
    source = make_clip(tmp_path / f"in{suffix}", clip)
    times, marks = np.array(frame_times(source)), clicks(source)
    for start, end in ((3.5, 5.22), ("0:00:06", None), (None, 1.5)):
        begin, over = float(seconds(start) or 0), float(seconds(end) or 1e9)
        output, seen = tmp_path / f"out{out}", []
        options = VideoOptions(start=start, end=end)
        report = draw_frames(
            source, output, lambda rgb, t, seen=seen: seen.append(t) or rgb, overwrite=True, options=options
        )
        wanted = times[(times >= begin - 1e-6) & (times < over - 1e-6)] - begin
        given = np.array(frame_times(output))
        assert len(given) == len(wanted) == report["frames"]["in"] and np.abs(given - wanted).max() <= 0.001
        assert np.allclose(seen, wanted, atol=0.001)
        expected = marks[(marks > begin + 0.03) & (marks < over - 0.03)] - begin
        found = clicks(output)
        assert all(np.abs(found - mark).min() <= 0.001 for mark in expected) and len(expected) >= 1
        assert length_s(output) <= min(over, times[-1] + 0.1) - begin + 0.05


@pytest.mark.parametrize("out", [".mp4", ".mov", ".mkv", ".webm"])
def test_short_and_empty_captions_do_no_harm(tmp_path, out):
    source = make_clip(tmp_path / "in.mkv", Clip(frames=72, captions="subrip", caption_texts=("", "x", "hi")))
    report = draw_frames(source, tmp_path / f"out{out}", same)
    assert report["container"] == "regular" and report["tracks"][0]["reason"] == ""
    with av.open(str(tmp_path / f"out{out}")) as container:
        texts = [bytes(p)[2 * (out in (".mp4", ".mov")) :] for p in container.demux(subtitles=0) if p.size]
    assert [text for text in texts if text] == [b"x", b"hi"]


def test_captions_are_cut_with_the_pictures(tmp_path):
    source = make_clip(tmp_path / "in.mkv", Clip(frames=96, captions="subrip"))
    draw_frames(source, tmp_path / "out.mkv", same, options=VideoOptions(start=1.5, end=3))
    with av.open(str(tmp_path / "out.mkv")) as container:
        shown = [
            (float(p.pts * p.time_base), float(p.duration * p.time_base))
            for p in container.demux(subtitles=0)
            if p.size
        ]
    assert np.allclose(shown, [(0, 0.3), (0.5, 0.8)], atol=0.002)


@pytest.mark.parametrize("out", [".mp4", ".mkv"])
def test_a_caption_that_is_on_at_the_end_ends_there(tmp_path, out):
    source = make_clip(tmp_path / "in.mkv", Clip(frames=96, captions="subrip"))
    draw_frames(source, tmp_path / f"out{out}", same, options=VideoOptions(end=1.5))
    with av.open(str(tmp_path / f"out{out}")) as container:
        assert abs(container.duration / av.time_base - 1.5) < 0.005


def test_a_part_that_is_not_there_is_refused(tmp_path):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=24))
    with pytest.raises(BadInput, match=r"in.mp4: no frame between start and end.*1.00 s"):
        draw_frames(source, tmp_path / "out.mp4", same, options=VideoOptions(start=60))
    assert [p.name for p in tmp_path.iterdir()] == ["in.mp4"]


# --- the last picture, tags, chapters


@pytest.mark.parametrize(
    "suffix, out", [(".mp4", ".mp4"), (".mkv", ".mp4"), (".mp4", ".mkv"), (".mkv", ".mkv"), (".mov", ".webm")]
)
def test_the_last_picture_is_shown_as_long_as_in_the_input(tmp_path, suffix, out):
    ticks = (0, 40, 200, 230, 700)
    clip = Clip(times=ticks, time_base=Fraction(1, 1000), last_ticks=1500)
    _, output, _ = run(tmp_path, clip, suffix, out)
    assert abs(end_s(output) - 2.2) <= 0.002


def end_s(path):
    """Where the picture track ends."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        said = stream.metadata.get("DURATION")
        return float(seconds(said)) if said else float(stream.duration * stream.time_base)


TAGS = {"title": "Ein Fest", "artist": "Anna", "comment": "von der Leiter", "date": "2021", "location": "+48.1+011.5/"}


@pytest.mark.parametrize("out", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_title_date_and_chapters_are_kept_and_the_place_is_not(tmp_path, suffix, out):
    chapters = [("one", 0, 1000), ("two", 1000, 2000), ("three", 2000, 4000)]
    source = make_clip(tmp_path / f"in{suffix}", Clip(frames=96, tones=(440,), tags=TAGS, chapters=chapters))
    output = tmp_path / f"out{out}"
    draw_frames(source, output, same)
    assert chapters_of(output) == chapters
    with av.open(str(output)) as container:
        kept = {name.lower(): text for name, text in container.metadata.items()}
    assert {name: kept.get(name) for name in ("title", "artist", "comment")} == {
        k: TAGS[k] for k in ("title", "artist", "comment")
    }
    assert kept.get("date", "").startswith("2021") and b"+48.1" not in output.read_bytes()
    draw_frames(source, output, same, overwrite=True, options=VideoOptions(start=1.5, end=3))
    assert chapters_of(output) == [("two", 0, 500), ("three", 500, 1500)]


def chapters_of(path):
    with av.open(str(path)) as container:
        found = container.chapters()
    return [
        (c["metadata"].get("title"), round(c["start"] * c["time_base"] * 1000), round(c["end"] * c["time_base"] * 1000))
        for c in found
    ]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".gif"])
def test_one_picture_is_a_video(tmp_path, suffix):
    _, output, report = run(tmp_path, Clip(frames=1, rate=5), ".mp4", suffix)
    assert len(frame_times(output)) == 1 and report["frames"]["in"] == 1
    assert not packets(output)


# --- what phones, cameras and programs make


def test_a_phone_clip_turned_with_a_varying_rate(tmp_path):
    ticks = tuple(int(t) for t in np.cumsum(np.random.default_rng(1).integers(18, 60, 50)))
    clip = Clip(times=ticks, time_base=Fraction(1, 600), rotate_deg=90, tones=(440,), clicks=True, b_frames=2)
    source, output, report = run(tmp_path, clip, ".mov")
    assert report["size"] == [96, 64] and report["tracks"][0]["how"] == "copied"
    assert np.abs(np.array(frame_times(output)) - frame_times(source)).max() <= 0.001
    assert np.abs(clicks(output) - clicks(source)).max() <= 0.001
    shown = [frame.rotation for frame in decoded(output)]
    assert set(shown) == {0}


def decoded(path):
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize("out", [".mp4", ".mkv", ".webm", ".gif"])
@pytest.mark.parametrize(
    "suffix, clip",
    [
        (".mkv", Clip(frames=6, codec="ffv1", pixel_format="yuva420p", options=(), width=33, height=47)),  # transparent
        (".mp4", Clip(frames=6, options=(("preset", "ultrafast"), ("x264-params", "interlaced=1")))),
        (".mkv", Clip(times=(0, 40, 2**31, 2**31 + 40), time_base=Fraction(1, 1000))),  # 24 days later
        (".mp4", Clip(frames=4, last_ticks=0, time_base=Fraction(1, 24))),
    ],
)
def test_odd_videos(tmp_path, suffix, clip, out):
    _, output, report = run(tmp_path, clip, suffix, out)
    count = len(clip.times or range(clip.frames))
    assert report["frames"]["in"] == count == len(frame_times(output))
    assert report["damage"]["timestamps"] == (2 if clip.times else 0)  # both beyond the gap


@pytest.mark.parametrize("out", [".mp4", ".mkv", ".webm", ".gif"])
def test_sound_alone_is_no_video(tmp_path, out):
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(BadInput, match=r"in.mkv: has no video track \(found: audio\)"):
        draw_frames(source, tmp_path / f"out{out}", same)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


def test_no_room_for_a_thread_is_an_error_of_ours(tmp_path, monkeypatch):
    source = make_clip(tmp_path / "in.mp4", Clip(frames=24))
    real = threading.Thread.start

    def start(self):
        if self.name == "pyapdraw-write":
            raise RuntimeError("can't start new thread")
        real(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(DeviceError, match=r"in.mp4: not enough memory"):
        draw_frames(source, tmp_path / "out.mp4", same)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
