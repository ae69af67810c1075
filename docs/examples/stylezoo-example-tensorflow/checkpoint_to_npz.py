"""Save the variables of a TensorFlow checkpoint as .npz, where TensorFlow is installed.

python checkpoint_to_npz.py la_muse.ckpt la_muse.npz
"""

import sys

import numpy as np
import tensorflow as tf

checkpoint, archive = sys.argv[1:]
reader = tf.train.load_checkpoint(checkpoint)
names = reader.get_variable_to_shape_map()
# The optimiser's variables have a slash in their name, which a file in an archive cannot.
np.savez(archive, **{name: reader.get_tensor(name) for name in names if "/" not in name})
