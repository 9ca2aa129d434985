"""What all packages share: errors, checks, types, random numbers, JSON, constants, normal tails.

Imports nothing of eqstat, and no pandas.
"""
