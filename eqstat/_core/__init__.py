"""What all packages share: errors, checks, random numbers, constants and normal tails.

Imports nothing of eqstat, and no pandas.
"""
