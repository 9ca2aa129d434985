"""Is this number of triggers more than the background gives?"""
