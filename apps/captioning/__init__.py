"""Captioning: what can be seen in an image?"""
