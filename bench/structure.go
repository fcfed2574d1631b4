package main

import (
	"fmt"

	"github.com/cria-lm/cria/internal/fidelity"
)

// structureFigures are about constrained outputs.
var structureFigures = []figure{
	{"masks", "time of a token mask, against llguidance if python3 has it",
		"masks before each token of the instances in bench/data/schemas.jsonl, first ones included, over the model's vocabulary; llguidance through Python, the same schemas and tokens",
		"<= 60 us mean, <= 600 us p99, ratio <= 1.0", masks},
	{"compile", "time to compile a JSON Schema",
		"schemas of the JSON Schema test suite, draft 2020-12, until the first byte can be asked for",
		"<= 1.5 ms p50, <= 20 ms p99", compileTimes},
	{"extract", "six fields of a text, against llama-server with json_schema and against no constraint",
		"latency of one item, one client, the same prompt with two examples; lines: the same fields in the default format",
		"JSON: ratio <= 0.75 (0.55 on gemma-3-270m); lines: <= 0.5; against no constraint: <= 0.85", extract},
	{"choice", "one of 2 and of 20 labels, against llama-server with an enum schema",
		"time beyond the prompt's own, which is in the cache on both sides; llama-server's own timings",
		"ratio <= 0.2 and <= 0.6", choice},
	{"choices", "choices a second, one client and 8 with 8 examples, against llama-server with an enum schema",
		"sentiments of 32 short reviews behind a prompt of 8 examples that is new in each run, one after the other or 8 at once",
		"ratio >= 2.5 and >= 4", choices},
	{"suite", "tests of the JSON Schema test suite that are answered right",
		"draft 2020-12, instances written compactly with members in declared order; a schema that is refused counts as wrong; invalid instances that are accepted fail the test",
		">= 75 %, none accepted that is invalid", suite},
	{"random", "outputs of random models under random schemas that another validator finds valid",
		"models with random weights, 16 requests at a time; runs go test with CRIA_TEST_SCHEMAS=" + randomSeeds,
		"100 % of 10,000", randomOutputs},
	{"forced", "forced tokens that are the tokenizer's own",
		fmt.Sprintf("%d forms of random fields, lines or JSON, filled in greedily; the tokens of each output against those that the tokenizer makes of its whole text", forms),
		"100 %", forcedTokens},
	{"same", "valid outputs that a constraint does not change",
		fmt.Sprintf("%d tasks with examples, greedily, without a constraint and, where the output is of the grammar, with it", fidelity.Tasks),
		"100 %, but for ties", sameOutputs},
}
