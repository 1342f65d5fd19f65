"""Is one number a good stand-in for another? Studies over architectures measured on a board.

docs/study.md says what they answer and how to read them.
"""
