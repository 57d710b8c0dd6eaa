"""From facts to one act: the most urgent finding, and where it has a chart, the chart's answer."""

from collections.abc import Callable
from dataclasses import dataclass

from client.doctor.acts import NOTHING, Act
from client.doctor.charts import QUESTIONS, Answer, Question, known_answers, walk
from client.doctor.checks import examine
from client.doctor.facts import Facts, Seat
from client.doctor.symptoms import URGENCY, Finding

AskAbout = Callable[[Question, Finding], bool]
"""Asks a person a question that a finding leads to."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found, the finding that decided, the way through its chart, and the act."""

    facts: Facts
    findings: tuple[Finding, ...]
    decisive: Finding | None
    section: str
    answers: tuple[Answer, ...]
    act: Act

    @property
    def cn(self) -> str | None:
        """Return the CN that the act is about."""
        return None if self.decisive is None else self.decisive.cn

    @property
    def seat(self) -> Seat | None:
        """Return the seat that the act is about."""
        return next((each for each in self.facts.seats if each.cn == self.cn), None)


def diagnose(facts: Facts, ask: AskAbout | None) -> Diagnosis:
    """Return the diagnosis; `ask` is None when nobody can be asked."""
    findings = tuple(examine(facts))
    if not findings:
        return Diagnosis(facts, findings, None, "", (), NOTHING)
    decisive = min(findings, key=lambda each: URGENCY.index(each.word))
    symptom = decisive.symptom
    if symptom.chart is None:
        return Diagnosis(facts, findings, decisive, "", (), symptom.act)
    seat = next((each for each in facts.seats if each.cn == decisive.cn), None)
    known = known_answers(facts, seat)
    act, answers = walk(symptom.chart, known, None if ask is None else lambda question: ask(question, decisive))
    section = QUESTIONS[symptom.chart].section
    return Diagnosis(facts, findings, decisive, section, tuple(answers), symptom.act if act is None else act)
