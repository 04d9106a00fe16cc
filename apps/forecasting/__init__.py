"""Forecasting: how does a series go on, and how sure is that?"""
