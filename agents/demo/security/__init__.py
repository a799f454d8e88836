"""Rules that find weaknesses in API descriptions, code, addresses and scanner reports."""
