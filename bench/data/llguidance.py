# Times llguidance's masks: reads the work of masks.go on standard input and prints
# a list of microseconds, one for each mask.
import base64
import json
import sys
import time

import llguidance


class Vocabulary:
    def __init__(self, work):
        self.tokens = [base64.b64decode(t) for t in work["vocabulary"]]
        control = set(work["control"])
        for i in control:
            self.tokens[i] = b"\xff<control %d>" % i
        self.special_token_ids = sorted(control)
        self.eos_token_id = work["eos"]
        self.bos_token_id = None
        self.ids = {t: i for i, t in reversed(list(enumerate(self.tokens)))}

    def __call__(self, text):
        # Only forced tokens would need the model's own tokenization.
        if isinstance(text, str):
            text = text.encode()
        return [self.ids[bytes([b])] for b in text if bytes([b]) in self.ids]


def main():
    work = json.load(sys.stdin)
    tokenizer = llguidance.LLTokenizer(
        llguidance.TokenizerWrapper(Vocabulary(work)), slices=llguidance.LLTokenizer.json_slices()
    )
    took = []
    for case in work["schemas"]:
        schema = dict(case["schema"])
        schema["x-guidance"] = {"whitespace_flexible": False}
        grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema))
        for tokens in case["instances"]:
            matcher = llguidance.LLMatcher(tokenizer, grammar)
            for token in tokens:
                start = time.perf_counter()
                matcher.compute_bitmask()
                took.append((time.perf_counter() - start) * 1e6)
                if not matcher.consume_token(token):
                    sys.exit("token %d of %s is refused: %s" % (token, schema, matcher.get_error()))
    json.dump(took, sys.stdout)


main()
