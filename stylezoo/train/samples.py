"""Sample pictures that show, during a training, how far it has come."""

from __future__ import annotations

from pathlib import Path

from stylezoo.contact_sheet import LabelledPhoto, contact_sheet
from stylezoo.images import open_photo, save_photo
from stylezoo.interfaces.net import MultiStyleNet
from stylezoo.style import Style
from stylezoo.train.trainer import Trainer

PHOTOS = 4
SIDE = 320  # pixels


def write_samples(trainer: Trainer, path: Path) -> None:
    """Save a contact sheet with a row per training photo: the photo, then each style on it.

    The photos are the first usable ones of the folder, so that samples of different steps can be
    compared.
    """
    styles = styles_of(trainer)
    rows = []
    for photo_path in trainer.crops.first(PHOTOS):
        photo = open_photo(photo_path).resized(SIDE)
        row = [LabelledPhoto(photo, photo_path.name)]
        row += [LabelledPhoto(style(photo), name) for name, style in styles.items()]
        rows.append(row)
    sheet = contact_sheet(rows, side=SIDE)
    save_photo(open_photo(sheet), path, overwrite=True)


def styles_of(trainer: Trainer) -> dict[str, Style]:
    """The styles learnt so far, one per painting."""
    net = trainer.averaged_net()
    names = list(trainer.config.style_images)
    if len(names) == 1:
        return {names[0]: Style(net=net)}
    assert isinstance(net, MultiStyleNet)
    return {
        name: Style(net=net.blend([float(other == name) for other in names]).eval())
        for name in names
    }
