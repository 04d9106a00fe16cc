"""Applications that write a sequence of subwords share this: vocabulary, training, endpoints."""
