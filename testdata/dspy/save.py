"""Writes the program states beside this file, and that of examples/from_dspy, as DSPy
3.4 saves them, and DSPy's public names, which docs/concepts/coming-from-dspy.md has.

    pip install dspy==3.4.1 && python testdata/dspy/save.py

The tests read what it wrote; they do not need Python.
"""

import importlib
import inspect
import pathlib
from typing import Literal

import dspy

HERE = pathlib.Path(__file__).parent


class Classify(dspy.Signature):
    """Say whether the review is good."""

    review: str = dspy.InputField()
    sentiment: Literal["positive", "negative"] = dspy.OutputField(desc="what the writer feels")


class Pipeline(dspy.Module):
    def __init__(self):
        super().__init__()
        self.classify = dspy.Predict(Classify)
        self.explain = dspy.ChainOfThought("review, sentiment -> reasons: list[str], strength: int")
        self.steps = [dspy.Predict("question -> answer"), dspy.Predict("question -> answer")]


def pipeline():
    p = Pipeline()
    p.classify.demos = [
        dspy.Example(review="I loved it.", sentiment="positive").with_inputs("review"),
        {"augmented": True, "review": "Dull.", "sentiment": "negative"},
    ]
    p.classify.signature = p.classify.signature.with_instructions("Read the review. Is it positive or negative?")
    p.explain.predict.demos = [
        dspy.Example(augmented=True, review="Dull.", sentiment="negative", reasoning="It says dull.", reasons=["dull", "slow"], strength=2)
    ]
    p.steps[1].demos = [dspy.Example(question="How old is the café?", answer="92 years")]
    return p


class Answer(dspy.Module):
    """Two steps, the first of which has an output that no training example has."""

    def __init__(self):
        super().__init__()
        self.tools = {"search": dspy.Predict("question -> query")}
        self.answer = dspy.Predict("question, context -> answer, year: int")


def few_shot():
    trainset = [
        dspy.Example(question="How old is the café?", context="It was opened in 1934.", answer="92 years", year=9007199254740993),
        dspy.Example(question="Who runs it?", context="Anna runs it.", answer="Anna", year=2026, source="a page", dspy_uuid="1", dspy_split="train"),
    ]
    trainset = [e.with_inputs("question", "context") for e in trainset]
    return dspy.LabeledFewShot(k=2).compile(Answer(), trainset=trainset)


few_shot().save(HERE / "few_shot.json")
pipeline().save(HERE / "pipeline.json")
dspy.Predict("question -> answer").save(HERE / "predict.json")

classify = dspy.Predict(Classify)
classify.demos = pipeline().classify.demos
classify.save(HERE.parent.parent / "examples" / "from_dspy" / "program.json")


# Where DSPy's users find its names, and the classes whose methods they call: a name that
# stands in several modules, or a method that several classes have, is of the first.
MODULES = """dspy dspy.signatures dspy.adapters dspy.predict dspy.primitives dspy.clients dspy.streaming dspy.retrievers
    dspy.evaluate dspy.teleprompt dspy.datasets dspy.propose dspy.utils dspy.utils.exceptions dspy.experimental""".split()
CLASSES = [dspy.Signature, dspy.Module, dspy.Predict, dspy.Example, dspy.Prediction, dspy.BaseLM, dspy.LM, dspy.Adapter, dspy.Type, dspy.Image, dspy.Tool]


def exported(module):
    for name in getattr(module, "__all__", dir(module)):
        value = getattr(module, name)
        if not name.startswith("_") and not inspect.ismodule(value) and getattr(value, "__module__", "dspy").startswith("dspy"):
            yield name, value


def methods(c):
    ours = [base for base in (*c.__mro__, *type(c).__mro__) if base.__module__.startswith("dspy")]
    yield from (name for base in ours for name in tuple(vars(base)) if not name.startswith("_"))


def public_names():
    seen = set()
    for module in map(importlib.import_module, MODULES):
        for name, value in exported(module):
            if id(value) not in seen or module is dspy:
                yield f"{module.__name__}.{name}"
            seen.add(id(value))
    for c in CLASSES:
        inherited = {name for base in c.__mro__[1:] if base in CLASSES for name in methods(base)}
        yield from (f"dspy.{c.__name__}.{name}" for name in methods(c) if name not in inherited | set(c.__annotations__) | {"model_config"})


(HERE / "names.txt").write_text("".join(name + "\n" for name in sorted(set(public_names()))))
