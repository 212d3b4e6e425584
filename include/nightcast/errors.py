"""What can go wrong, grouped by what the operator does next.

    NightcastError
    ├── Transient            wait: retried with back-off
    │   ├── SourceUnavailable      the team's source does not answer
    │   ├── StoreUnavailable       our Postgres does not answer, or a lock was not had in time
    │   ├── LakeUnavailable        the file store does not answer
    │   └── ScratchSpaceFull       no room for temporary files on the machine of the task
    └── Permanent            do something: a retry would fail in the same way
        ├── SpecError              edit the pipeline's folder
        ├── TablesDoNotFit         run `nightcast db apply`
        ├── SettingMissing         set an environment variable
        ├── NightStopped           a gate judged the night bad: look at the checks
        ├── SourceMismatch         correct the extract or the declared columns: they do not fit the source
        ├── SourceNotFresh         ask the source's owner for the missing day
        ├── CalendarTooShort       extend the calendar
        ├── NoLiveModel            train one
        ├── TrainingImpossible     import a longer history, or correct what is learned
        ├── ForecastImplausible    roll back to the model version before
        ├── BundleRejected         the model file is not the one that was registered, or cannot be trusted
        ├── LakeObjectCorrupt      restore the object
        ├── LakeObjectMissing      restore the object
        ├── RemovedOnPurpose       nothing: what is asked for was erased, or its time was over
        ├── NightRefused           the night was asked for in a way that cannot be served
        ├── DecisionRefused       decide otherwise: what was asked for cannot be decided
        ├── Fenced                 nothing: a newer attempt of this step owns its rows
        └── NotFound               name something that exists

Every message says what was found, what was expected and what to do. The page that explains an error lies below
docs/runbooks/ under the class name in kebab case.
"""

from __future__ import annotations


class NightcastError(Exception):
    """Base of every error that Nightcast raises on purpose."""

    @property
    def runbook(self) -> str:
        """File name below docs/runbooks/ of the page that explains this error."""
        return runbook_of(type(self))


class Transient(NightcastError):
    """Something outside did not answer; the same call may succeed later."""


class SourceUnavailable(Transient):
    """The source cannot be reached or dropped the connection."""


class StoreUnavailable(Transient):
    """Our Postgres cannot be reached, dropped the connection, or a lock was not had in time."""


class LakeUnavailable(Transient):
    """The lake cannot be read or written at the moment."""


class ScratchSpaceFull(Transient):
    """The machine of the task has no room for temporary files."""


class Permanent(NightcastError):
    """A retry would fail in the same way: somebody has to act."""


class SpecError(Permanent):
    """A file of a pipeline's folder is wrong.

    `problems` holds one line per mistake: file:line, what was found, what was expected.
    """

    def __init__(self, pipeline: str, problems: list[str]):
        self.pipeline, self.problems = pipeline, problems
        super().__init__(f"pipeline {pipeline}: {len(problems)} problem(s) in its folder\n" + "\n".join(problems))


class TablesDoNotFit(Permanent):
    """The database has no tables for this spec, or they were made for another one."""


class SettingMissing(Permanent):
    """A setting that is needed is not in the environment, or cannot be used."""


class NightStopped(Permanent):
    """A gate judged the night bad; the verdict is stored, the last good night stays published."""


class SourceMismatch(Permanent):
    """What the SQL or the files deliver does not fit what is declared, or the source refuses the SQL."""


class SourceNotFresh(Permanent):
    """The last expected day was not in the source by the deadline."""


class CalendarTooShort(Permanent):
    """The calendar does not cover the window and the horizon."""


class NoLiveModel(Permanent):
    """No model version was live for this night."""


class TrainingImpossible(Permanent):
    """The history is too short to train on, or holds labels that cannot be learned."""


class ForecastImplausible(Permanent):
    """The model's output is not finite, or far beyond anything it was trained on."""


class BundleRejected(Permanent):
    """A model bundle is not the registered one, or holds what must not be opened."""


class LakeObjectCorrupt(Permanent):
    """An object's bytes do not have the digest that is its name."""


class LakeObjectMissing(Permanent):
    """An object that is referred to is not in the lake."""


class RemovedOnPurpose(Permanent):
    """Something of a run was erased, or its retention is over: it can no longer be made again."""


class NightRefused(Permanent):
    """The night was asked for in a way that cannot be served: no partition key, or changed code midway."""


class DecisionRefused(Permanent):
    """A person asked for a decision that cannot be taken as things are."""


class Fenced(Permanent):
    """A newer attempt of this step owns its rows; this one must write nothing."""


class NotFound(Permanent):
    """What was asked for by name does not exist."""


def runbook_of(kind: type[BaseException]) -> str:
    """The runbook page of an error class: its name in kebab case."""
    name = kind.__name__
    return "".join("-" + c.lower() if c.isupper() else c for c in name).lstrip("-") + ".md"
