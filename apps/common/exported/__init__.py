"""What the applications export: a network with all around it from a user's input to the answer.

Each is a `tf.Module` that runs in a graph without Keras and Python; `endpoints` are the functions
of its SavedModel, `numeric` those for runtimes that know numbers alone.
"""
