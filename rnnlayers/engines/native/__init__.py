"""The native engine: a layer as one operator, written in C++."""
