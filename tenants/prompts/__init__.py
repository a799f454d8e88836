"""What a tenant's custom prompt may be: its length, its encoding, and no pattern of an injection in it.

`rules` is the way in; `normalize` makes the readings on which patterns are tried, `engine` tries them in linear
time, `patterns` reads and seeds the rows that platform administrators edit.
"""
