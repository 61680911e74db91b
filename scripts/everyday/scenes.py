"""Everyday scenes of ImageNet's classes: by hand for things, by group for the 398 animals."""

from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
ANIMALS = 398

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "retriever",
        ("a {} dog swimming in the water or carrying a ball or stick in its mouth", "a {} dog running through the grass"),
    ),
    ("greyhound", ("a {} dog racing on a track", "a thin {} dog running through the grass")),
    ("toy dog", ("a small {} dog sitting on a couch or a lap", "a little {} dog playing on the grass")),
    ("sled dog", ("a {} dog running in the snow",)),
    ("dog", ("a {} dog running through the grass", "a {} dog playing with a ball, a toy or another dog outdoors")),
    ("wild dog", ("a {} standing in the wild, an animal like a dog",)),
    ("wolf", ("a {} in the snow or the forest, an animal like a dog",)),
    ("fox", ("a {} in the forest or in the snow",)),
    ("domestic cat", ("a {} cat sitting or sleeping in a house",)),
    ("big cat", ("a {}, a big wild cat in the zoo or in the grass",)),
    ("feline", ("a {}, a wild cat in nature",)),
    ("bear", ("a {} bear in the forest, by a river or in a zoo",)),
    ("primate", ("a {} monkey or ape sitting in a tree or in a zoo",)),
    ("snake", ("a {} snake on the ground",)),
    ("lizard", ("a {} lizard on a rock or a branch",)),
    ("turtle", ("a {} turtle by the water",)),
    ("crocodilian reptile", ("a {} crocodile or alligator in the water",)),
    ("frog", ("a {} on a leaf or in a pond",)),
    ("amphibian", ("a {}, a small wet animal on the ground",)),
    ("dinosaur", ("a {} dinosaur model in a museum",)),
    ("reptile", ("a {} reptile",)),
    ("aquatic bird", ("a {} bird standing in shallow water or swimming on a lake",)),
    ("waterfowl", ("a {}, ducks and geese swimming on a lake",)),
    ("seabird", ("a {}, birds on the shore by the sea",)),
    ("bird of prey", ("a {}, a large bird flying in the sky",)),
    ("fowl", ("a {}, chickens on a farm",)),
    ("gallinaceous bird", ("a {} bird on the ground in a field",)),
    ("parrot", ("a {}, a colourful parrot",)),
    ("bird", ("a {}, a small bird sitting on a branch",)),
    ("fish", ("a {} fish in the water, a fisherman holding a fish",)),
    ("shark", ("a {} swimming under water in the ocean",)),
    ("butterfly", ("a {} butterfly on a flower",)),
    ("spider", ("a {} spider in its web",)),
    ("insect", ("a {} insect on a leaf or a flower",)),
    ("arthropod", ("a {}, a crab or bug",)),
    ("mollusk", ("a {}, a shell or slug on the ground or in the sea",)),
    ("whale", ("a {} jumping out of the ocean",)),
    ("aquatic mammal", ("a {} in the water by the sea",)),
    ("equine", ("a {} horse standing or running in a field, a person riding a horse",)),
    ("bovid", ("a {}, cattle or wild animals grazing in a grassy field",)),
    ("ungulate", ("a {}, an animal with hooves in a field",)),
    ("swine", ("a {}, a pig on a farm",)),
    ("elephant", ("an {} elephant, people riding an elephant",)),
    ("rodent", ("a {}, a small furry animal on the ground or in the hands",)),
    ("mammal", ("a {}, a furry animal",)),
    ("animal", ("a {}, an animal in nature or under water",)),
)
"""A word of WordNet above the class, and scenes; the first that fits counts."""

BY_NAME: dict[str, tuple[str, ...]] = {
    "sorrel": ("a person riding a horse", "a brown horse running or grazing in a field"),
    "zebra": ("zebras, striped animals like horses, in the dry grass",),
    "cock": ("a rooster, chickens on a farm",),
    "hen": ("a hen, chickens on a farm",),
    "goldfish": ("a goldfish swimming in a fish tank",),
    "hog": ("a pig on a farm",),
    "ox": ("cows and cattle on a farm, an ox pulling a cart",),
    "Indian elephant": ("an elephant, people riding on an elephant",),
    "African elephant": ("elephants in the wild",),
}


def scenes_of(classes: Sequence[str], groups: Sequence[Sequence[str]]) -> list[list[str]]:
    """One to three sentences about each class.

    Args:
        groups: for each class, the first words of the meanings above it.
    """
    first, second = _read("scenes.txt"), _read("second_scenes.txt")
    found = []
    for place, name in enumerate(classes):
        if place < ANIMALS:
            fitting = next(scenes for group, scenes in GROUPS if group in groups[place])
            found.append([scene.format(name) for scene in BY_NAME.get(name, fitting)])
        else:
            found.append([first[name], *([second[name]] if name in second else [])])
    return found


def _read(name: str) -> dict[str, str]:
    lines = (HERE / name).read_text("utf-8").splitlines()
    return dict(line.split("|", 1) for line in lines if line.strip())
