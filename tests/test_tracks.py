"""tracks: times, sound and captions on their way from file to file, and what the containers make of them."""

import os
from fractions import Fraction

import av
import numpy as np
import pytest
from cases_video import Clip, assert_same_packets, assert_same_times, frame_times, packets, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

B_FRAMES = (("preset", "medium"),)
VFR = tuple(int(t) for t in np.cumsum(np.random.default_rng(0).integers(10, 70, 40)))


@pytest.mark.parametrize("out", [".mp4", ".mov", ".m4v"])
def test_varying_rate_b_frames_two_sounds_and_captions(tmp_path, out):
    clip = Clip(
        times=VFR, time_base=Fraction(1, 1000), b_frames=3, options=B_FRAMES, tones=(440, 880), captions="mov_text"
    )
    source, output, report = run(tmp_path, clip, out=out)
    assert report["frames"] == {"in": 40, "drawn": 40, "passed": 0, "concealed": 0, "lost": 0}
    assert_same_times(source, output)
    assert_same_packets(source, output)
    assert_same_packets(source, output, "subtitle")
    with av.open(str(output)) as container:
        names = [s.metadata["language"] for s in container.streams.audio]
        assert names == (["eng", "ger"] if out == ".mov" else ["eng", "deu"])
    assert [track["how"] for track in report["tracks"]] == ["copied"] * 3
    assert report["container"] == "regular" and os.listdir(tmp_path).sort() == ["in.mp4", output.name].sort()


@given(
    st.lists(st.integers(1, 900), min_size=2, max_size=14),
    st.sampled_from([(24, ".mp4"), (1000, ".mkv"), (90000, ".mp4")]),
    st.integers(0, 3),
    st.floats(0, 1.2),
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_times_are_kept(tmp_path, gaps, clock, b_frames, sound_from_s):
    """Gaps of 1 to 900 ms between frames, in fast and slow clocks, with sound that begins when it likes."""
    den, suffix = clock
    times = np.maximum.accumulate(np.cumsum(gaps) * den // 1000 + np.arange(len(gaps)))
    times = tuple(int(t) for t in times - times[0])
    base = Fraction(1, den)
    clip = Clip(
        times=times, time_base=base, b_frames=b_frames, options=B_FRAMES, tones=(440,), sound_from_s=sound_from_s
    )
    source, output, _ = run(tmp_path, clip, suffix)
    assert_same_times(source, output)
    if packets(source):
        assert_same_packets(source, output)


def test_the_index_stands_in_front(tmp_path):
    _, output, _ = run(tmp_path, Clip(frames=30, tones=(440,)))
    content = output.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat") and b"moof" not in content


def test_sound_that_starts_late_and_pictures_that_start_late(tmp_path):
    source, output, _ = run(tmp_path, Clip(frames=48, tones=(440,), sound_from_s=0.7, b_frames=2, options=B_FRAMES))
    assert_same_times(source, output)
    assert_same_packets(source, output)
    source, output, _ = run(tmp_path, Clip(times=tuple(range(12, 40)), tones=(440,)))
    assert frame_times(source)[0] == 0.5
    assert_same_times(source, output)
    assert_same_packets(source, output)


@pytest.mark.parametrize(
    "suffix, clip",
    [
        (".mkv", Clip(tones=(440, 880), sound_codec="libopus", b_frames=2, options=B_FRAMES)),
        (
            ".webm",
            Clip(
                codec="libvpx-vp9",
                options=(("cpu-used", "8"), ("deadline", "realtime")),
                tones=(440,),
                sound_codec="libopus",
            ),
        ),
        (".mov", Clip(codec="mjpeg", pixel_format="yuvj420p", options=(), tones=(440,), sound_codec="pcm_s16le")),
        (".avi", Clip(codec="mpeg4", options=(), tones=(440,), sound_codec="libmp3lame")),
        (".mkv", Clip(frames=60, tones=(440,), sound_codec="alac", sound_from_s=1.6)),
        (".mkv", Clip(frames=60, tones=(440,), sound_codec="ac3", sound_from_s=1.6)),
        (".mp4", Clip(codec="libsvtav1", options=(("preset", "12"),), tones=(440,), sound_codec="flac")),
    ],
)
def test_containers_and_codecs(tmp_path, suffix, clip):
    out = ".mov" if clip.sound_codec.startswith("pcm") else ".mp4"
    source, output, report = run(tmp_path, clip, suffix, out)
    assert report["frames"]["drawn"] == clip.frames
    assert_same_times(source, output)
    assert_same_packets(source, output)


def test_broadcast_stream_starts_at_zero_and_keeps_its_sound(tmp_path):
    source, output, _ = run(tmp_path, Clip(frames=30, tones=(440,), b_frames=2, options=B_FRAMES), ".ts")
    shift = frame_times(output)[0] - frame_times(source)[0]
    assert np.abs(np.array(frame_times(output)) - frame_times(source) - shift).max() <= 0.001
    given, expected = packets(output)[0], packets(source)[0]
    assert len(given) == len(expected)
    assert max(abs(a - b - shift) for (a, _), (b, _) in zip(given, expected)) <= 0.001
    with av.open(str(source)) as before, av.open(str(output)) as after:  # ADTS headers go, the sound stays
        sound = [np.concatenate([f.to_ndarray() for f in c.decode(audio=0)], axis=1) for c in (before, after)]
    np.testing.assert_array_equal(sound[0], sound[1])


def test_moving_gif(tmp_path):
    source, output, report = run(
        tmp_path, Clip(codec="gif", pixel_format="bgr8", options=(), frames=10, rate=20), ".gif"
    )
    assert report["frames"]["drawn"] == 10
    assert_same_times(source, output, 0.0101)


@pytest.mark.parametrize("captions", ["subrip", "ass"])
def test_captions_are_converted(tmp_path, captions):
    _, output, report = run(tmp_path, Clip(frames=60, tones=(440,), captions=captions), ".mkv")
    assert report["tracks"][-1]["how"] == "converted to mov_text"
    with av.open(str(output)) as container:
        texts = [bytes(p)[2:] for p in container.demux(subtitles=0) if p.size > 2]
        assert texts == [b"caption 0", b"caption 1", b"caption 2"]
    _, output, report = run(tmp_path, Clip(frames=60, captions="mov_text"), ".mp4", ".mkv")
    assert report["tracks"][-1]["how"] == "converted to subrip"
    with av.open(str(output)) as container:
        assert [bytes(p) for p in container.demux(subtitles=0) if p.size] == texts


def test_matroska_out_copies_captions(tmp_path):
    source, output, _ = run(
        tmp_path, Clip(frames=60, tones=(440,), sound_codec="libopus", captions="ass"), ".mkv", ".mkv"
    )
    assert_same_times(source, output)
    assert_same_packets(source, output)
    assert_same_packets(source, output, "subtitle")


def test_sound_that_mp4_cannot_hold_is_encoded_anew(tmp_path):
    source, output, report = run(
        tmp_path, Clip(frames=48, codec="mpeg4", options=(), tones=(440,), sound_codec="pcm_mulaw"), ".avi"
    )
    assert report["tracks"][0]["how"] == "re-encoded as aac"
    with av.open(str(source)) as before, av.open(str(output)) as after:
        length = [sum(f.samples for f in c.decode(audio=0)) for c in (before, after)]
    assert abs(length[0] - length[1]) <= 4096


def test_no_sound(tmp_path):
    _, output, report = run(tmp_path, Clip(frames=5))
    assert report["tracks"] == [] and len(frame_times(output)) == 5
