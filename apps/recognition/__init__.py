"""Recognition: which class, or which words, is a recording, a gesture or an image?"""
