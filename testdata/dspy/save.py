"""Writes the program states beside this file, and that of examples/from_dspy, as DSPy
3.4 saves them.

    pip install dspy==3.4.1 && python testdata/dspy/save.py

The tests read what it wrote; they do not need Python.
"""

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


pipeline().save(HERE / "pipeline.json")
dspy.Predict("question -> answer").save(HERE / "predict.json")

classify = dspy.Predict(Classify)
classify.demos = pipeline().classify.demos
classify.save(HERE.parent.parent / "examples" / "from_dspy" / "program.json")
