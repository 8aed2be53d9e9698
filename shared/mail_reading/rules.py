"""The languages that mails are read in. To add one: a file beside this, its line here, and cases in `tests/promises/mails.yaml`."""

from __future__ import annotations

from shared.mail_reading.english import ENGLISH
from shared.mail_reading.french import FRENCH
from shared.mail_reading.german import GERMAN
from shared.mail_reading.language import Language
from shared.mail_reading.spanish import SPANISH

LANGUAGES: tuple[Language, ...] = (ENGLISH, GERMAN, FRENCH, SPANISH)
