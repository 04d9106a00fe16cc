"""A server for SavedModels that speaks TensorFlow Serving's REST API."""
