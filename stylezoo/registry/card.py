"""The model card: README.md of a style folder, made from its record."""

from __future__ import annotations

import json

from stylezoo.registry.record import Licence, Quality, Record, SizeQuality, StyleImage

_QUALITY_HEADING = "## Measured quality"

# Front matter that the Hugging Face Hub reads: https://huggingface.co/docs/hub/model-cards
_CARD = """\
---
library_name: stylezoo
pipeline_tag: image-to-image
license: {hub_licence}
tags: {tags}
---

# {name} {version}

{summary}

![{caption}]({preview})

{caption}.

## Use it

```console
stylezoo apply {spec} photo.jpg
```

From a repository on the Hub, its name takes the place of the style's: `OWNER/NAME@{version}`.

```python
import stylezoo

style = stylezoo.load("{spec}")
style("photo.jpg").save("photo-{name}.png")
```

{paintings}

## How it was trained

{recipe}; seed {seed}.

Photos: {data}.

```console
{command}
```

By {author}, {created}, with {software}.{base}{notes}

## Measured quality

{quality}

## Licences

| of | licence |
| --- | --- |
| these weights | {weights} |
| the code that runs them | {code} |
| the painting's picture | {style_image} |
| the training photos | {training_data} |
"""

_QUALITY = """\
Means over {photos} photos that training has not seen; lower is better for the objective, which is
what the net was trained to minimise. On every photo it is at most {worst:.2f} times that of the
photo itself. *Iterations* are those of the explicit optimisation of the same objective by L-BFGS,
from white noise and from the photo, that come as far as the style does in one pass; *speed-up* is
that over 500 of them. *Shift* and *noise* are the root mean square changes of the picture when the
photo moves by one pixel, and when noise of deviation 0.01 is added to it. Times: {machine}.

| size | objective | untrained net | photo itself | terms | iterations from noise | from the photo \
| a photo takes | speed-up | SSIM | shift | noise |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
{rows}

```console
{command}
```"""


def render_card(record: Record) -> str:
    """Write the model card of a style, in Markdown with YAML front matter."""
    notes = record.provenance.notes
    return _CARD.format(
        hub_licence=_hub_licence(record.licence),
        tags=_yaml(["style-transfer", *record.tags]),
        name=record.name,
        version=record.version,
        summary=record.summary,
        caption=record.preview.caption,
        preview=record.preview.path,
        spec=_spec(record),
        paintings=_paintings(record),
        base=_base(record),
        recipe=record.training.recipe,
        seed=record.training.seed,
        data=record.training.data,
        command=record.training.command,
        author=record.provenance.author,
        created=record.provenance.created,
        software=record.provenance.software,
        notes=f"\n\n{notes}" if notes else "",
        quality=_quality(record),
        weights=record.licence.weights,
        code=record.licence.code,
        style_image=record.licence.style_image,
        training_data=record.licence.training_data,
    )


def renew_quality(card: str, record: Record) -> str:
    """Update the quality section of a card; the rest stays, as a person may have written it.

    Args:
        card: of the style, with or without a quality section.
        record: with the quality.
    """
    lines = card.split("\n")
    headings = _headings(lines)
    begin = next((at for at in headings if lines[at].rstrip() == _QUALITY_HEADING), len(lines))
    end = next((at for at in headings if at > begin), len(lines))
    before, after = ("\n".join(part).strip("\n") for part in (lines[:begin], lines[end:]))
    section = f"{_QUALITY_HEADING}\n\n{_quality(record)}"
    return "\n\n".join(filter(None, (before, section, after))) + "\n"


def _headings(lines: list[str]) -> list[int]:
    """Line indices of section headings, ignoring lookalikes in code blocks."""
    found = []
    fenced = False
    for at, line in enumerate(lines):
        if line.startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and line.startswith(("# ", "## ")):
            found.append(at)
    return found


def _yaml(words: list[str]) -> str:
    # JSON is YAML except for its escapes beyond 16 bits: YAML reads each surrogate separately.
    return json.dumps(words, ensure_ascii=False)


def _spec(record: Record) -> str:
    style = f":{record.styles[0].name}" if record.styles else ""
    return f"{record.name}@{record.version}{style}"


def _paintings(record: Record) -> str:
    if record.style is not None:
        return f"## The painting\n\n{_painting(record.style)}"
    names = [style.name for style in record.styles[:2]]
    mixture = ",".join(f"{name}=0.5" for name in names)
    rows = "\n".join(
        f"| `{style.name}` | {_painting(style.image)} | {style.style_weight:g} |"
        for style in record.styles
    )
    return (
        f"## The paintings\n\nOne net holds them all, and mixtures of them: "
        f"`{record.name}:{mixture}`.\n\n"
        f"| style | painting | weight of its style term |\n| --- | --- | --- |\n{rows}"
    )


def _painting(image: StyleImage) -> str:
    return f"{image.title}, {image.artist}, {image.year}. Picture: {image.source}."


def _base(record: Record) -> str:
    if record.base is None:
        return ""
    return (
        f"\n\nAn adapter: its file holds the parameters of the norms alone, the rest is that of "
        f"{record.base.repository or record.base.name} {record.base.version}."
    )


def _hub_licence(licence: Licence) -> str:
    # The Hub spells its licence tags in lower case; unknown ones are "other".
    known = {"cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "apache-2.0", "mit"}
    lower = licence.weights.lower()  # SPDX ignores case
    return lower if lower in known else "other"


def _quality(record: Record) -> str:
    measured = [(f"### {style.name}\n\n", style.quality) for style in record.styles]
    parts = [
        title + _measured(quality)
        for title, quality in [("", record.quality), *measured]
        if quality is not None
    ]
    return "\n\n".join(parts) or "Not measured."


def _measured(quality: Quality) -> str:
    rows = "\n".join(_row(measured) for measured in quality.sizes)
    worst = max(measured.worst for measured in quality.sizes)
    return _QUALITY.format(
        rows=rows,
        photos=quality.sizes[0].photos,
        worst=worst,
        machine=quality.machine,
        command=quality.command,
    )


def _row(at: SizeQuality) -> str:
    cells = (
        f"{at.size} px",
        f"{at.objective:.3f}",
        f"{at.untrained:.3f}",
        f"{at.unstyled:.3f}",
        ", ".join(f"{name} {value:.3g}" for name, value in at.terms.items()),
        f"{'≥ ' if at.capped else ''}{at.iterations_from_noise:.0f}",
        f"{'≥ ' if at.capped else ''}{at.iterations_from_content:.0f}",
        f"{at.seconds:.2f} s",
        f"{at.speedup:.0f}",
        f"{at.ssim:.2f}",
        f"{at.shift:.3f}",
        f"{at.noise:.3f}",
    )
    return f"| {' | '.join(cells)} |"
