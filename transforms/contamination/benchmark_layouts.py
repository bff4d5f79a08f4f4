"""Layouts of published test sets: which fields are the question, the choices and the answer.

Field names are those of the authors' files and of the Hugging Face Hub. If the two differ, a test set has several
layouts, and the one with the most fields present in an item applies. Nested fields are dotted (``question.stem``), also
through lists (``choices.text``).

Passages that a test set took from public texts (SQuAD and BoolQ from Wikipedia, RACE's articles) are not fields of an
item: a corpus that contains the passage does not contain the test. LAMBADA's items consist of such passages only.
"""

from __future__ import annotations

from typing import NamedTuple


class Layout(NamedTuple):
    """The fields of the parts of an item, and the column names of CSV files that are published without a header.

    ``answer`` is only set if it is text; a number or a letter is the label of a choice, and is not searched for.
    """

    question: tuple[str, ...]
    choices: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        return (*self.question, *self.choices, *self.answer)


def _layout(question: str, choices: str = "", answer: str = "", columns: str = "") -> Layout:
    return Layout(*(tuple(names.split("|")) if names else () for names in (question, choices, answer, columns)))


_STEM = _layout("question.stem", "question.choices.text")
_HUB_STEM = _layout("question_stem", "choices.text")
_HUB_CHOICES = _layout("question", "choices.text")
_CHOICES = _layout("question", "choices")
_NUMBERED = _layout("question", "choice0|choice1|choice2|choice3")
_LETTERS = _layout("question", "A|B|C|D", "", "question|A|B|C|D|answer")
_OPTIONS = _layout("question", "options")
_ANSWERED = _layout("question", "", "answer")
_PROBLEM = _layout("problem", "", "solution")
_PROBLEM_ANSWER = _layout("problem", "", "answer")

LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "agieval": (_OPTIONS, _layout("query", "choices")),
    "aime": (_PROBLEM, _PROBLEM_ANSWER),
    "anli": (_layout("premise|hypothesis"),),
    "apps": (_layout("question", "", "solutions"),),
    "aqua": (_layout("question", "options", "rationale"),),
    "arc": (_STEM, _HUB_CHOICES, _layout("query", "choices")),
    "bbh": (_layout("input", "", "target"),),
    "boolq": (_layout("question"),),
    "ceval": (_LETTERS,),
    "cmmlu": (_layout("Question", "A|B|C|D"), _LETTERS),
    "commonsenseqa": (_STEM, _HUB_CHOICES),
    "copa": (_layout("premise", "choice1|choice2"),),
    "drop": (_layout("question"),),
    "gpqa": (_layout("Question", "Correct Answer|Incorrect Answer 1|Incorrect Answer 2|Incorrect Answer 3"),),
    "gsm8k": (_ANSWERED,),
    "hellaswag": (_layout("ctx", "endings"), _layout("ctx_a|ctx_b", "ending_options")),
    "hle": (_layout("question", "", "rationale"),),
    "humaneval": (_layout("prompt", "", "canonical_solution"),),
    "ifeval": (_layout("prompt"),),
    "lambada": (_layout("text"),),
    "livecodebench": (_layout("question_content"),),
    "logiqa": (_OPTIONS, _layout("query", "options")),
    "math": (_PROBLEM, _PROBLEM_ANSWER),
    "mathqa": (_layout("Problem", "options", "Rationale"),),
    "mbpp": (_layout("text", "", "code"), _layout("prompt", "", "code")),
    "medmcqa": (_layout("question", "opa|opb|opc|opd", "exp"),),
    "medqa": (_OPTIONS,),
    "mgsm": (_ANSWERED,),
    "mmlu": (_CHOICES, _LETTERS, _NUMBERED),
    "mmlu_pro": (_OPTIONS,),
    "multirc": (_layout("question", "", "answer"),),
    "naturalquestions": (_layout("question.text"), _ANSWERED),
    "openbookqa": (_STEM, _HUB_STEM),
    "piqa": (_layout("goal", "sol1|sol2"),),
    "pubmedqa": (_layout("question", "", "long_answer"), _layout("QUESTION", "", "LONG_ANSWER")),
    "quac": (_layout("questions"), _layout("question")),
    "race": (_OPTIONS, _layout("questions", "options")),
    "sciq": (_layout("question", "correct_answer|distractor1|distractor2|distractor3"),),
    "simpleqa": (_PROBLEM_ANSWER,),
    "siqa": (_layout("context|question", "answerA|answerB|answerC"),),
    "squad": (_layout("question"),),
    "svamp": (_layout("Body|Question"), _layout("question_concat")),
    "triviaqa": (_layout("question"),),
    "truthfulqa": (
        _layout("question", "correct_answers|incorrect_answers", "best_answer"),
        _layout("question", "mc1_targets.choices|mc2_targets.choices"),
        _layout("Question", "Correct Answers|Incorrect Answers", "Best Answer"),
    ),
    "webquestions": (_layout("question"), _layout("utterance")),
    "winogrande": (_layout("sentence", "option1|option2"),),
    "xcopa": (_layout("premise", "choice1|choice2"),),
    "xstorycloze": (
        _layout(
            "input_sentence_1|input_sentence_2|input_sentence_3|input_sentence_4",
            "sentence_quiz1|sentence_quiz2",
        ),
    ),
}
"""By the name that a recipe uses as ``layout``. ``arc`` is both ARC-Easy and ARC-Challenge."""
