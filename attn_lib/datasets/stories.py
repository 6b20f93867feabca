"""Short stories with a question, made by rule, so that the sentence to look at is known."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from .splits import Split, check_count, part_of


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PEOPLE = _names(
    "Anna Ben Clara David Ella Felix Grace Hugo Iris Jonas Karl Laura Max Nina Oscar Paula Quinn "
    "Rosa Simon Tessa Ulrich Vera Walter Zoe"
)
PLACES = _names(
    "kitchen garden office bathroom hallway cellar attic library bedroom garage balcony stable "
    "workshop tower barn chapel museum bakery station harbour market school theatre park"
)
THINGS = _names(  # these are put into places
    "apple book lamp ball cup letter chair clock vase basket candle mirror pillow blanket bottle "
    "kettle ladder bucket box plate spoon drum"
)
TOOLS = _names(  # these are held by people
    "key hammer pen torch umbrella camera brush compass rope saw needle ruler whistle flute map "
    "ticket coin ring watch knife shovel scarf"
)

# kind → (who or what it is about, what it can be answered with, ways to say it, the question)
KINDS = {
    "person": (
        PEOPLE,
        PLACES,
        ("{} went to the {} .", "{} walked to the {} .", "{} is now in the {} ."),
        "Where is {} ?",
    ),
    "thing": (
        THINGS,
        PLACES,
        ("The {} was put in the {} .", "The {} was moved to the {} .", "The {} is in the {} ."),
        "Where is the {} ?",
    ),
    "tool": (
        TOOLS,
        PEOPLE,
        ("The {} was given to {} .", "The {} was taken by {} .", "The {} belongs to {} now ."),
        "Who has the {} ?",
    ),
}


class Fact(NamedTuple):
    """One sentence: its kind, whom or what it is about, and the answer it gives."""

    kind: str
    entity: str
    answer: str


class Story(NamedTuple):
    """A passage, a question, and where the answer stands.

    Words are split at blanks, and the full stop is a word. `support` is the number, from 0, of
    the sentence that decides; `words[answer_at]` is the answer inside that sentence.
    """

    sentences: list[str]
    question: str
    answer: str
    support: int
    answer_at: int
    facts: list[Fact]

    @property
    def words(self) -> list[str]:
        """All words of the passage in order, full stops included."""
        return [word for sentence in self.sentences for word in sentence.split()]

    @property
    def sentence_of_word(self) -> list[int]:
        """For each word, the number of its sentence."""
        return [i for i, sentence in enumerate(self.sentences) for _ in sentence.split()]


@cache
def _part_of_fact(fact: Fact) -> str:
    return part_of(" ".join(fact), held_out=0.15)


@cache
def _part_of_structure(structure: tuple[str, ...]) -> str:
    return part_of(" ".join(structure), held_out=0.15)


def structure_of(facts: list[Fact], asked: Fact) -> tuple[str, ...]:
    """The plot without names: each sentence's kind, "*" after it if it is about what is asked."""
    return tuple(f.kind + ("*" if f[:2] == asked[:2] else "") for f in facts)


def stories(seed: int = 0, n: int = 10_000, *, sentences: tuple[int, int] = (4, 8)) -> Split[Story]:
    """`n` stories of `sentences` (fewest, most) lines: 80 % train, 10 % validation, 10 % test.

    Who or what is asked about is mentioned two or three times with different answers; the last
    time counts, and it stands early as often as late. The other lines are distractors: other
    people, things and tools, most of the kind that is asked about. In `validation`
    and `test` the deciding fact (such as: the lamp in the cellar) and the plot (the kinds of
    lines in order, see `structure_of`) are both held out: no line of any story in `train`
    states such a fact, and no story in `train` has such a plot. The two held-out parts share
    neither facts nor plots that decide.

    The same seed gives the same stories. Raises ValueError if n < 10, or if `sentences` is not
    (fewest, most) with 3 <= fewest <= most.
    """
    check_count("n", n, least=10)
    fewest, most = sentences
    if not 3 <= fewest <= most:
        raise ValueError(
            f"sentences: expected (fewest, most) with 3 <= fewest <= most, got {sentences}"
        )
    held = n // 10
    draw = random.Random(seed)
    parts = Split[Story]([], [], [])
    for name, count in (("train", n - 2 * held), ("validation", held), ("test", held)):
        made = _stories(draw, name, fewest, most)
        getattr(parts, name).extend(next(made) for _ in range(count))
    return parts


def _stories(draw: random.Random, part: str, fewest: int, most: int) -> Iterator[Story]:
    """Endless stories of one part, by drawing and throwing away what belongs elsewhere."""
    while True:
        facts, asked = _plot(draw, part, draw.randint(fewest, most))
        if _part_of_structure(structure_of(facts, asked)) == part:
            yield _tell(draw, facts, asked)


def _fact(draw: random.Random, part: str, kind: str, entity: str, taken: set[str]) -> Fact:
    """A fact about `entity` that the part may state, with an answer not yet `taken`."""
    while True:
        fact = Fact(kind, entity, draw.choice([a for a in KINDS[kind][1] if a not in taken]))
        if _part_of_fact(fact) in (part, "train"):
            return fact


def _plot(draw: random.Random, part: str, length: int) -> tuple[list[Fact], Fact]:
    """The facts of one story in order, and the last of them about whatever is asked."""
    kind = draw.choice(list(KINDS))
    entity = draw.choice(KINDS[kind][0])
    deciding = [
        fact for a in KINDS[kind][1] if _part_of_fact(fact := Fact(kind, entity, a)) == part
    ]
    if not deciding:
        return _plot(draw, part, length)
    asked = draw.choice(deciding)
    mentions, taken = [asked], {asked.answer}
    for _ in range(draw.randint(1, min(2, length - 2))):
        mentions.insert(0, _fact(draw, part, kind, entity, taken))
        taken.add(mentions[0].answer)
    support = draw.randrange(len(mentions) - 1, length)  # as often early as late
    places = {support, *draw.sample(range(support), len(mentions) - 1)}
    facts = [
        mentions.pop(0) if i in places else _distractor(draw, part, asked) for i in range(length)
    ]
    return facts, asked


def _distractor(draw: random.Random, part: str, asked: Fact) -> Fact:
    """A fact about somebody or something else, half of the time of the kind that is asked for."""
    kind = draw.choice([asked.kind, draw.choice(list(KINDS))])
    other = draw.choice([name for name in KINDS[kind][0] if name != asked.entity])
    return _fact(draw, part, kind, other, set())


def _tell(draw: random.Random, facts: list[Fact], asked: Fact) -> Story:
    told = [draw.choice(KINDS[f.kind][2]).format(f.entity, f.answer) for f in facts]
    support = max(i for i, f in enumerate(facts) if f[:2] == asked[:2])
    before = sum(len(sentence.split()) for sentence in told[:support])
    answer_at = before + told[support].split().index(asked.answer)
    question = KINDS[asked.kind][3].format(asked.entity)
    return Story(told, question, asked.answer, support, answer_at, facts)
