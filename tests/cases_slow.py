"""The tests that are not in the quick lane (`make check`, `pytest -m "not slow"`): a test is, unless it is named here.

A word is looked for in the names of the tests (with their class and parameters), without regard to case; "" is in all
of them. The files stand in the order in which they are run, those with the longest tests first.
"""

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
FAULTS = pytest.StashKey[list[str]]()  # of this list, found when the tests were collected

EXAMPLES = 25  # of each property in the quick lane

SLOW: dict[str, tuple[str, ...]] = {
    "test_packaging.py": ("wheel", "own_stream"),
    "test_emulated.py": ("",),  # builds a module and runs 32 files with it
    "test_emulated_device.py": ("right_kernels", "fault_is_noticed"),
    "test_ink_agreement.py": ("",),  # with that module
    "test_distance_transform_work.py": ("",),
    "test_training_apdrawing.py": ("killed", "two_processes", "it_learns", "resume", "epoch", "rehearses", "0_1_0"),
    "test_cuda_code.py": ("",),  # compiles for six architectures, in many tests that even out what the others leave
    "test_training_loop.py": ("torchrun", "killed", "state_comes_back"),
    "test_apdrawing.py": (
        "sizes_are_those",
        "float64",
        "do_not_mix",
        "published",
        "learn",
        "bfloat16",
        "dropout_repeats",
        "memory_layout",
        "save_and_load",
        "compiled",
    ),
    "test_apdrawing2.py": (
        "float64",
        "whole_loss",
        "do_not_learn",
        "published",
        "hard_borders",
        "do_not_mix",
        "refine",
        "tells_the_systems",
        "import_and_export",
    ),
    "test_fuzz_media.py": ("damaged_pictures", "mpeg4", ".ts", "mkv", "mov", "vp9", "h264"),
    "test_faces.py": ("any_roll", "crowd", "animals", "shipped_weights"),
    "test_bad_input.py": ("more_than_2_to_the_31",),
    "test_bench.py": ("verb_prints", "verb_without", "charts"),
    "test_bench_throughput.py": ("timed_and_kept",),
    "test_figure.py": ("large_pictures", "many_faces"),
    "test_wash.py": ("large_picture",),
    "test_video.py": ("memory", "truncated", "refused"),
    "test_artist_copies.py": ("forked", "spawn"),
    "test_import_cost.py": ("torch", "is_light"),
    "test_style.py": ("report_names", "person_of_another"),
    "test_aligned.py": ("official_weights", "figures"),
    "test_apdrawing_small.py": ("share_a_style",),
    "test_upfirdn2d.py": ("well_formed", "bands", "official", "large_output", "derivatives"),
    "test_bias_act.py": ("well_formed", "official", "compiles", "derivative"),
    "test_conv_to_one.py": ("well_formed", "bfloat16", "compiles"),
    "test_flow_dog.py": ("well_formed", "same_as_numpy", "one_graph"),
    "test_warp_affine.py": ("well_formed", "same_as_numpy", "one_graph"),
    "test_yuv.py": ("well_formed", "same_as_numpy", "one_graph"),
    "test_composite.py": ("well_formed", "gradients", "compiles"),
    "test_crop_yuv.py": ("well_formed",),
    "test_distance_transform.py": ("well_formed", "same_as_numpy", "compiles"),
    "test_distance_transform_chamfer.py": ("well_formed", "compiles"),
    "test_distance_transform_nearest.py": ("well_formed", "same_as_numpy", "one_graph"),
    "test_fuse_regions.py": ("well_formed", "gradient", "compiles", "published_sequence"),
    "test_modulated_conv2d.py": ("bfloat16_is",),
    "test_host_path.py": ("one_graph",),
    "test_photo.py": ("bombs",),
    "test_video_formats.py": (
        "camcorder",
        "part_is_exact",
        "title_date",
        "sound_that_players",
        "odd_videos",
        "moving_gif",
    ),
    "test_video_writer.py": ("size_limit", "as_long_as", "killed_run"),
    "test_picture_memory.py": ("long_picture",),
    "test_tracks.py": ("any_times", "containers", "captions_are_converted", "varying_rate"),
    "test_tracking.py": ("rolling", "moving_head", "still_head"),
    "test_without_face.py": ("photos_pass", "film_without"),
    "test_public_api.py": ("from_the_package_alone",),
    "test_colour.py": ("matrix_and_range",),
    "test_resize.py": ("well_formed",),
    "test_conftest.py": ("arrive[2]",),
    "test_modulated_conv2d_gradients.py": ("gradcheck", "well_formed", "compiles"),
    "test_gpu_proof.py": ("dry_run", "has_its_row", "target_of_a_row", "committed_record", "crash_fails"),
    "test_instance_norm.py": ("every_instruction_set",),
    "test_losses_apdrawing.py": ("authors_own",),
}


def is_slow(item) -> bool:
    name = item.nodeid.split("::", 1)[1].lower()
    return any(word in name for word in SLOW.get(item.path.name, ()))


def faults(items) -> list[str]:
    """What is wrong with the list, as far as these tests of whole files show it."""
    names: dict[str, list[str]] = {}
    for item in items:
        names.setdefault(item.path.name, []).append(item.nodeid.split("::", 1)[1].lower())
    found = [f"there is no {file}" for file in SLOW if not (FOLDER / file).is_file()]
    for file, of_file in names.items():
        words = SLOW.get(file, ())
        found += [f"{file}: {word!r} is in no name" for word in words if not any(word in name for name in of_file)]
        if "" not in words and all(any(word in name for word in words) for name in of_file):
            found.append(f"{file}: no test is left in the quick lane")
    return found
