"""Text generation: how does a text go on?"""
