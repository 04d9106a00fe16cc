"""What the applications export: a network with all around it from a user's input to the answer.

An application loads a run; what leaves it is one of these, which `apps/common/exports.py` writes.
Each is a `tf.Module` whose `endpoints` become a SavedModel that needs neither Keras nor Python;
`numeric` gives those for runtimes that know numbers alone.
"""
