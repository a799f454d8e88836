"""How a person shows who they are: password, second factor, passkey, the organisation's provider, and mails.

One way in for every door: `entry` checks, the API opens tokens with the result and the pages open a session.
"""
