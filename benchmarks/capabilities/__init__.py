"""What recurrent cells can learn: the same tasks, parameters and seconds for each of them."""
