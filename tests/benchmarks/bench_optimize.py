"""Image optimisation against pastiche (PyPI), in one run on the same CPU.

    python tests/benchmarks/bench_optimize.py iteration
    python tests/benchmarks/bench_optimize.py preset --iterations 500

``iteration``: seconds per iteration with pastiche's own settings (VGG19 to conv5_1, max pooling,
L-BFGS with a history of 100, from the photo), measured by turns, and how far apart the pictures
are after the same number of iterations. ``preset``: how long ``--preset best`` takes, on pastiche's
objective, to reach the loss of pastiche after ``--iterations``. Each part runs in its own process.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "docs" / "examples" / "astronaut.jpg"
STYLES = ROOT / "registry" / "stylezoo_styles" / "styles"
PAINTING = next(STYLES.glob("great-wave/*/painting.jpg"))
CHANNELS = (64, 128, 256, 512, 512)


def objective_of_pastiche():
    """Pastiche's default weights, as options of stylezoo."""
    return {
        "backbone_options": {"weights": "caffe_q8", "pooling": "max"},
        "normalization": "johnson",
        "content_weight": 0.01,
        "style_weight": 1.0,
        "style_layer_weights": tuple(10 / n**2 for n in CHANNELS),
        "tv_weight": 0.0,
    }


def run_pastiche(photo, painting, size, iterations, picture):
    from pastiche.pastiche import PasticheArtist, save_image

    artist = PasticheArtist(photo, [painting], size=size, style_size=size, device="cpu")
    objectives, seconds = [], []
    for _ in range(iterations):
        started = time.perf_counter()
        artist.draw()
        seconds.append(time.perf_counter() - started)
        objectives.append(artist.loss)
    save_image(artist.pastiche, picture)
    return {"objectives": objectives, "seconds": seconds}


def judge_by_pastiche(photo, painting, size, picture):
    """Return pastiche's own loss for a picture it did not make."""
    from pastiche.pastiche import PasticheArtist

    artist = PasticheArtist(
        photo, [painting], init=picture, size=size, style_size=size, device="cpu"
    )
    return artist.loss


def run_stylezoo(photo, painting, size, iterations, picture, preset, precision):
    import stylezoo
    from stylezoo.images import save_photo

    # On the CPU, like pastiche, even where there is a GPU.
    changes = {**objective_of_pastiche(), "size": size, "precision": precision, "device": "cpu"}
    if iterations is not None:  # otherwise the preset's own
        changes["iterations"] = iterations
    if preset == "gatys":
        changes |= {"start": "content", "history": 100}
    config = stylezoo.OptimizationConfig.preset(preset, **changes)
    result = stylezoo.optimize(photo, painting, config)
    save_photo(result.photo, Path(picture), overwrite=True)
    return {
        "objectives": [iteration.total for iteration in result.iterations],
        "seconds": [iteration.seconds for iteration in result.iterations],
        "sizes": [iteration.size for iteration in result.iterations],
    }


WORKERS = {"pastiche": run_pastiche, "judge": judge_by_pastiche, "stylezoo": run_stylezoo}


def in_a_process(worker, *arguments):
    command = [sys.executable, __file__, "--worker", worker, json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def bench_iteration(photo, painting, size, iterations, folder):
    ours, theirs = str(folder / "ours.png"), str(folder / "theirs.png")
    exact = str(folder / "exact.png")
    seconds = {"pastiche": [], "stylezoo": []}
    for _ in range(2):
        done = in_a_process("pastiche", photo, painting, size, iterations, theirs)
        seconds["pastiche"] += done["seconds"][2:]
        done = in_a_process("stylezoo", photo, painting, size, iterations, ours, "gatys", "auto")
        seconds["stylezoo"] += done["seconds"][2:]
    in_a_process("stylezoo", photo, painting, size, iterations, exact, "gatys", "fp32")
    ratio = median(seconds["pastiche"]) / median(seconds["stylezoo"])
    print(f"an iteration at {size} px, median over 2 runs of {iterations}:")
    for name, values in seconds.items():
        print(f"  {name:9} {median(values):.3f} s")
    print(f"  ratio     {ratio:.2f}")
    print(f"pastiche's own loss after {iterations} iterations:")
    for name, picture in (("pastiche", theirs), ("stylezoo", ours), ("in fp32", exact)):
        print(f"  {name:9} {in_a_process('judge', photo, painting, size, picture):.0f}")
    print("PSNR of the pictures:")
    print(f"  stylezoo to pastiche         {psnr(ours, theirs):.1f} dB")
    print(f"  stylezoo in fp32 to pastiche {psnr(exact, theirs):.1f} dB")
    print(f"  photo to pastiche            {psnr(photo, theirs):.1f} dB")


def bench_preset(photo, painting, size, iterations, folder):
    ours, theirs = str(folder / "ours.png"), str(folder / "theirs.png")
    done = in_a_process("pastiche", photo, painting, size, iterations, theirs)
    theirs_seconds = sum(done["seconds"])
    # Pastiche lets pixels leave the range and clips them on saving, which raises its loss a lot.
    levels = {
        "its loss": done["objectives"][-1],
        "the loss of the picture in its file": in_a_process("judge", photo, painting, size, theirs),
    }
    print(f"pastiche, {iterations} iterations at {size} px: {theirs_seconds:.0f} s")
    done = in_a_process("stylezoo", photo, painting, size, None, ours, "best", "auto")
    print(
        f"stylezoo --preset best: {sum(done['seconds']):.0f} s, loss {done['objectives'][-1]:.0f}, "
        f"in its file {in_a_process('judge', photo, painting, size, ours):.0f}"
    )
    for name, level in levels.items():
        print(f"  {name}, {level:.0f}: {reached(done, size, level, theirs_seconds)}")


def reached(done, size, level, theirs_seconds):
    seconds = 0
    for objective, spent, at in zip(
        done["objectives"], done["seconds"], done["sizes"], strict=True
    ):
        seconds += spent
        if at == size and objective <= level:
            return f"reached in {seconds:.0f} s, {theirs_seconds / seconds:.1f} times as fast"
    return "not reached"


def psnr(first, second):
    import numpy as np
    from PIL import Image

    a, b = (np.asarray(Image.open(path).convert("RGB"), dtype=float) for path in (first, second))
    return 10 * math.log10(255**2 / np.mean((a - b) ** 2))


def prepared(source, size, path):
    """Resize a picture in advance, so that both programs see the same pixels."""
    from stylezoo import open_photo, save_photo

    save_photo(open_photo(source).resized(size), path)
    return str(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["iteration", "preset"], default="iteration")
    parser.add_argument("--photo", type=Path, default=PHOTO)
    parser.add_argument("--painting", type=Path, default=PAINTING)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--iterations", type=int, default=30)
    parser.add_argument("--keep", type=Path, help="folder for the pictures")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        name, arguments = options.worker
        print(json.dumps(WORKERS[name](*json.loads(arguments))))
        return
    bench = {"iteration": bench_iteration, "preset": bench_preset}[options.what]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        photo = prepared(options.photo, options.size, folder / "photo.png")
        painting = prepared(options.painting, options.size, folder / "painting.png")
        bench(photo, painting, options.size, options.iterations, folder)


if __name__ == "__main__":
    main()
