"""`manage.py dead_letters`: what was set aside because it could not be done; send it again or drop it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from governance import dead_letters
from qualisys.problems import Problem


class Command(BaseCommand):
    """List, replay or drop letters."""

    help = "List what was set aside (list), send it again (replay) or drop it, by queue and id; all of a queue: no ids."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to do, which queue and which ids."""
        parser.add_argument("do", choices=["list", "replay", "drop"], nargs="?", default="list")
        parser.add_argument("--queue", choices=sorted(dead_letters.QUEUES), action="append")
        parser.add_argument("ids", nargs="*")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and say what was done."""
        for queue in options["queue"] or sorted(dead_letters.QUEUES):
            for letter in list(dead_letters.letters(queue)):
                if options["ids"] and letter.id not in options["ids"]:
                    continue
                self._do(options["do"], letter)

    def _do(self, what: str, letter: dead_letters.Letter) -> None:
        if what != "list":
            action = dead_letters.replay if what == "replay" else dead_letters.drop
            try:
                action(letter.queue, letter.id)
            except Problem as problem:
                raise CommandError(problem.detail) from problem
        self.stdout.write(f"{what}: {letter.queue} {letter.id} {letter.what}: {letter.error}")
