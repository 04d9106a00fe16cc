"""Sentiment: is a film review positive or negative?"""
