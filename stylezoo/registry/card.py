"""The model card: README.md of a style folder, made from its record."""

from __future__ import annotations

import json
from statistics import fmean

from stylezoo.registry.record import Licence, PhotoQuality, Quality, Record

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
stylezoo apply {name}@{version} photo.jpg
```

```python
import stylezoo

style = stylezoo.load("{name}@{version}")
style("photo.jpg").save("photo-{name}.png")
```

## The painting

{title}, {artist}, {year}. Picture: {source}.

## How it was trained

{recipe}; seed {seed}.

Photos: {data}.

```console
{command}
```

By {author}, {created}, with {software}.{notes}

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


def render_card(record: Record) -> str:
    """Write the model card of a style, in Markdown with YAML front matter."""
    notes = record.provenance.notes
    return _CARD.format(
        hub_licence=_hub_licence(record.licence),
        tags=json.dumps(["style-transfer", *record.tags]),  # JSON is YAML
        name=record.name,
        version=record.version,
        summary=record.summary,
        caption=record.preview.caption,
        preview=record.preview.path,
        title=record.style.title,
        artist=record.style.artist,
        year=record.style.year,
        source=record.style.source,
        recipe=record.training.recipe,
        seed=record.training.seed,
        data=record.training.data,
        command=record.training.command,
        author=record.provenance.author,
        created=record.provenance.created,
        software=record.provenance.software,
        notes=f"\n\n{notes}" if notes else "",
        quality=_quality(record.quality),
        weights=record.licence.weights,
        code=record.licence.code,
        style_image=record.licence.style_image,
        training_data=record.licence.training_data,
    )


def _hub_licence(licence: Licence) -> str:
    # The Hub spells its licence tags in lower case; what it does not know is "other".
    known = {"CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "Apache-2.0", "MIT"}
    return licence.weights.lower() if licence.weights in known else "other"


def _quality(quality: Quality | None) -> str:
    if quality is None:
        return "Not measured."
    return (
        "The objective that the net was trained for, on photos that it has not seen, at "
        f"{quality.size} px; lower is better.\n\n"
        "| photo | this style | untrained net | photo itself |\n| --- | --- | --- | --- |\n"
        + "\n".join(_row(result) for result in (*quality.results, _mean(quality)))
    )


def _row(result: PhotoQuality) -> str:
    figures = (result.objective, result.untrained, result.unstyled)
    return f"| {result.photo} | {' | '.join(f'{figure:.3f}' for figure in figures)} |"


def _mean(quality: Quality) -> PhotoQuality:
    results = quality.results
    return PhotoQuality(
        photo="mean",
        objective=fmean(result.objective for result in results),
        untrained=fmean(result.untrained for result in results),
        unstyled=fmean(result.unstyled for result in results),
    )
