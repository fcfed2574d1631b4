package main

import (
	"context"
	"fmt"
	"time"
)

// figure is one thing to measure.
type figure struct {
	name   string
	short  string // one line of the list
	long   string // what is compared with what, lengths included
	target string
	run    func(context.Context, *session) ([]result, error)
}

// topic is figures that one command measures.
type topic struct {
	name, short string
	figures     []figure
	bare        bool // they need neither a model nor the peers
}

var topics = []topic{
	{"engine", "all figures of the engine", figures, false},
	{"structure", "all figures of constrained outputs", structureFigures, false},
	{"pool", "all figures of loading models and of changing between them", poolFigures, false},
	{"hardware", "all figures of GPUs; they need no peers", hardwareFigures, true},
	{"overhead", "all figures of the programming model, of which one needs a model", overheadFigures, true},
}

// figures are about the engine, in the order of bench engine.
var figures = []figure{
	{"decode", "tokens/s of one stream, against llama-bench",
		fmt.Sprintf("%d tokens of one stream after a prompt of 1, against llama-bench -p 0 -n %[1]d", decodeTokens),
		"ratio >= 0.98", decode},
	{"prefill", "prompt tokens/s, against llama-bench",
		fmt.Sprintf("a prompt of %d tokens, to its first token, against llama-bench -p %[1]d -n 0", prefillTokens),
		"ratio >= 0.98", prefill},
	{"start", "process start to first token, against llama-completion",
		fmt.Sprintf("a new process, libraries and model from the page cache, a prompt of %d tokens, its first output; llama-completion --no-warmup", startTokens),
		"ratio <= 1.0", startup},
	{"added", "time added to the first token beside llama_decode",
		fmt.Sprintf("time to the first token of a prompt of %d tokens, less what llama_decode took of it", addedTokens),
		"<= 1 ms p50, <= 5 ms p99", added},
	{"allocs", "Go heap allocations per generated token",
		fmt.Sprintf("allocations of %d tokens less those of %d, per token between", allocsLong, allocsShort),
		"0", allocs},
	{"topp", "choices/s of the sampler with top-p, against llama.cpp's chain",
		fmt.Sprintf("top-p %v and temperature %v over rows of 49,152 and 262,144 logits of the model (what a row lacks is random, as far apart), one thread, against llama.cpp's sampler chain", topP, topPTemperature),
		"ratio >= 5 and >= 4", topPChoice},
	{"unrelated", "8 concurrent prompts that share nothing, against llama-server",
		fmt.Sprintf("%d prompts of %d tokens at once, %d out each, against llama-server -np %[1]d", clients, unrelatedPrompt, unrelatedOutput),
		"ratio >= 1.0", unrelated},
	{"shared", "8 concurrent prompts with one prefix, cold, against llama-server",
		fmt.Sprintf("%d prompts at once, a prefix of %d tokens that is new in each run, %d own, %d out each, against llama-server -np %[1]d with cache_prompt", clients, sharedPrefix, sharedOwn, sharedOutput),
		"ratio >= 4", shared},
	{"computed", "prompt tokens computed of requests with one prefix, against the ideal",
		fmt.Sprintf("%d requests at once, a prefix of %d tokens, %d own, %d out each: prompt tokens computed, against the prefix once and what is each one's own", computedRequests, sharedPrefix, sharedOwn, sharedOutput),
		"ratio <= 1.15", computed},
	{"warm", "first token behind a prefix that is in the cache, against cold",
		fmt.Sprintf("first tokens a second of a prompt of %d tokens, all but the last %d in the cache, against none", prefixTokens, prefixOwn),
		"ratio >= 40", warm},
	{"snapshot", "first token of a new process with a saved prefix, against computing it",
		fmt.Sprintf("first tokens a second of a new process, a prompt of %d tokens, all but the last %d from a snapshot, against none", prefixTokens, prefixOwn),
		"ratio >= 10", snapshot},
	{"speculation", "with guesses of what follows, against without",
		fmt.Sprintf("%d tokens that copy most of the prompt, and %d of a story, one stream, against the engine without speculation", extractTokens, storyTokens),
		"copying: ratio >= 1.3; else >= 0.97", speculation},
	{"speculation-gemma", "the same on " + gemma + ", whose licence must be accepted",
		fmt.Sprintf("as speculation, on %s", gemma),
		"copying: ratio >= 1.8; else >= 0.97", speculationOfGemma},
	{"memory", "peak memory beyond model and KV cache, against llama-server",
		fmt.Sprintf("peak resident memory of a process that runs the prompts of \"unrelated\", less the model file and the KV cache of %d tokens, against llama-server -np %d -c %[1]d", memoryContext, clients),
		"ratio <= 1.0", memory},
}

// A side measures one run. Runs of the same number get the same prompts; the
// number of the run before the first pair, which does not count, is -1.
type side func(ctx context.Context, run int) (float64, error)

const (
	slowRun   = 20 * time.Second
	slowPairs = 6 // the fewest with a 95 % interval

	// settle lets the threads of the side that has run stop spinning.
	settle = 150 * time.Millisecond
)

// pairs runs both sides in turns; which goes first alternates.
func (s *session) pairs(ctx context.Context, ours, peer side) ([]pair, error) {
	n := s.options.pairs
	var all []pair
	for run := -1; run < n; run++ {
		s.status("pair %d of %d", run+1, n)
		p, slowest, err := onePair(ctx, run, ours, peer)
		if err != nil {
			s.status("")
			return nil, err
		}
		if run < 0 && slowest > slowRun {
			n = min(n, slowPairs)
		}
		if run >= 0 {
			all = append(all, p)
		}
	}
	s.status("")
	return all, nil
}

func onePair(ctx context.Context, run int, ours, peer side) (p pair, slowest time.Duration, err error) {
	order := []struct {
		name  string
		run   side
		value *float64
	}{{"ours", ours, &p.ours}, {"peer", peer, &p.peer}}
	if run%2 != 0 {
		order[0], order[1] = order[1], order[0]
	}
	for _, side := range order {
		if err := sleep(ctx, settle); err != nil {
			return p, 0, err
		}
		start := time.Now()
		if *side.value, err = side.run(ctx, run); err != nil {
			return p, 0, fmt.Errorf("%s: %w", side.name, err)
		}
		if *side.value <= 0 {
			return p, 0, fmt.Errorf("%s: measured %v, which cannot be", side.name, *side.value)
		}
		slowest = max(slowest, time.Since(start))
	}
	return p, slowest, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
