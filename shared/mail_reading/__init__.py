"""What a mail to the contact address asks for: a pure reading by a table of phrases, which never guesses.

`rules.py` lists the languages, a file of phrases each, and these are the place to add to; `own_words.py` leaves out what
others wrote; `phrases.py` finds the phrases; `reading.py` decides.
"""
