package engine

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// ScoreRequest asks how probable each of some continuations of a prompt is, if it is
// one of them. Nothing is generated.
type ScoreRequest struct {
	Prompt  []Token   // as in [Request]
	Options [][]Token // different, none empty

	// Ends are the tokens that may follow an option which another one begins with;
	// they are needed only then.
	Ends []Token

	LoRA     []LoRA // as in [Request], as are the following
	Priority int
	Salt     string
}

// Scores is the answer to a [ScoreRequest].
type Scores struct {
	// Logprobs is the natural logarithm of each option's probability. The options
	// are a trie of tokens: wherever some of them part, the model's probabilities
	// of the tokens that may come there are made to add up to 1, and those on an
	// option's way are multiplied. So neither long options nor frequent words are
	// preferred; all probabilities add up to 1.
	Logprobs []float64

	// Usage counts as completion the tokens of options that were computed.
	Usage Usage
}

// maxOptions bounds the options of a request.
const maxOptions = 10_000

// scoreWave is how many places of the trie are looked at together.
const scoreWave = 32

// Score computes the probabilities of options. The prompt is computed once, and
// those tokens of options behind which others part. Errors are those of
// [Engine.Generate].
func (e *Engine) Score(ctx context.Context, req *ScoreRequest) (*Scores, error) {
	forks, err := req.forks(e.vocab.NTokens())
	if err != nil {
		return nil, err
	}
	s := &Scores{Logprobs: make([]float64, len(req.Options)), Usage: Usage{PromptTokens: len(req.Prompt)}}
	for wave := range slices.Chunk(forks, scoreWave) {
		jobs := make([]*job, len(wave))
		for i, f := range wave {
			r := &Request{Prompt: slices.Concat(req.Prompt, f.path), MaxTokens: 1, LoRA: req.LoRA, Priority: req.Priority, Salt: req.Salt}
			loras, err := e.check(r)
			if err != nil {
				return nil, err
			}
			jobs[i] = &job{ctx: ctx, req: r, stream: newStream(make(chan struct{}, 1)), loras: loras, usage: Usage{PromptTokens: len(req.Prompt)}, score: f}
		}
		if err := e.runAll(ctx, jobs); err != nil {
			return nil, err
		}
		for i, f := range wave {
			if len(f.path) == 0 {
				s.Usage.CachedTokens = jobs[i].usage.CachedTokens
			}
			s.Usage.CompletionTokens += min(len(f.path), 1)
			f.add(s.Logprobs)
		}
	}
	return s, nil
}

// runAll runs jobs that have no output and returns the first error of one.
func (e *Engine) runAll(ctx context.Context, jobs []*job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.queue.push(jobs...); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { e.cancel(jobs...) })
	defer stop()
	var first error
	for _, j := range jobs {
		<-j.done
		if _, _, _, err := j.take(); err != nil && first == nil {
			first = err
			e.cancel(jobs...)
		}
	}
	return first
}

// fork is a place where options part.
type fork struct {
	path     []Token // from the prompt
	branches []branchOf
	ends     []Token // that may come if an option ends here
	ended    int     // that option, or -1

	chances []float64 // of the branches, and of the end: log probabilities
}

// branchOf is the options that go on with a token.
type branchOf struct {
	token   Token
	options []int
}

// forks finds the places where the options part, those nearer to the prompt first.
func (r *ScoreRequest) forks(nVocab int) ([]*fork, error) {
	if len(r.Options) == 0 || len(r.Options) > maxOptions {
		return nil, &RequestError{"Options", fmt.Sprintf("has %d; there may be 1 to %d", len(r.Options), maxOptions)}
	}
	for i, o := range append(slices.Clone(r.Options), r.Ends) {
		name := fmt.Sprintf("Options[%d]", i)
		if i == len(r.Options) {
			name = "Ends"
		} else if len(o) == 0 {
			return nil, &RequestError{name, "is empty"}
		}
		for _, t := range o {
			if t < 0 || int(t) >= nVocab {
				return nil, &RequestError{name, fmt.Sprintf("token %d is not in the vocabulary of %d", t, nVocab)}
			}
		}
	}
	all := make([]int, len(r.Options))
	for i := range all {
		all[i] = i
	}
	var forks []*fork
	type group struct {
		options []int
		depth   int
	}
	for groups := []group{{all, 0}}; len(groups) > 0; groups = groups[1:] {
		g := groups[0]
		if len(g.options) == 1 {
			continue
		}
		f := &fork{path: r.Options[g.options[0]][:g.depth], ended: -1}
		for _, i := range g.options {
			o := r.Options[i]
			if len(o) == g.depth {
				if f.ended >= 0 {
					return nil, &RequestError{fmt.Sprintf("Options[%d]", i), fmt.Sprintf("is the same as Options[%d]", f.ended)}
				}
				f.ended, f.ends = i, r.Ends
				continue
			}
			at := slices.IndexFunc(f.branches, func(b branchOf) bool { return b.token == o[g.depth] })
			if at < 0 {
				at = len(f.branches)
				f.branches = append(f.branches, branchOf{token: o[g.depth]})
			}
			f.branches[at].options = append(f.branches[at].options, i)
		}
		if f.ended >= 0 && len(f.ends) == 0 {
			return nil, &RequestError{"Ends", fmt.Sprintf("is empty, but another option begins with Options[%d]", f.ended)}
		}
		if len(f.branches)+min(len(f.ends), 1) > 1 {
			forks = append(forks, f)
		}
		for _, b := range f.branches {
			groups = append(groups, group{b.options, g.depth + 1})
		}
	}
	return forks, nil
}

// read takes what is needed of the logits behind the path.
func (f *fork) read(logits []float32) error {
	f.chances = f.chances[:0]
	for _, b := range f.branches {
		f.chances = append(f.chances, float64(logits[b.token]))
	}
	if f.ended >= 0 {
		end := math.Inf(-1)
		for _, t := range f.ends {
			end = max(end, float64(logits[t]))
		}
		f.chances = append(f.chances, end)
	}
	best := slices.Max(f.chances)
	if math.IsNaN(best) || math.IsInf(best, 0) {
		return errNaN(int(f.branches[0].token))
	}
	sum := 0.0
	for _, c := range f.chances {
		sum += math.Exp(c - best)
	}
	for i := range f.chances {
		f.chances[i] -= best + math.Log(sum)
	}
	return nil
}

// add adds the log probabilities of the branches to those of their options.
func (f *fork) add(logprobs []float64) {
	for i, b := range f.branches {
		for _, option := range b.options {
			logprobs[option] += f.chances[i]
		}
	}
	if f.ended >= 0 {
		logprobs[f.ended] += f.chances[len(f.branches)]
	}
}
