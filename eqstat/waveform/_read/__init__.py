"""Readers of records: of packets that follow each other, of phones, through ObsPy."""
