package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A kind of request: how it is changed, run, and how it may end.
type kind struct {
	name  string
	share int // of all requests
	plan  func(*soak, *rand.Rand, *Request)
	run   func(context.Context, *soak, *rand.Rand, *Request) end
	legal func(*Request, end) bool
}

var kinds = []kind{
	{"greedy", 30, (*soak).planGreedy, read, whole},
	{"sampled", 20, (*soak).planSampled, read, whole},
	{"samples", 4, (*soak).planSampled, readSamples, whole},
	{"slow", 3, (*soak).planSampled, readSlowly, whole},
	{"forced", 4, (*soak).planForced, read, whole},
	{"invalid", 8, (*soak).planInvalid, read, refused},
	{"poisoned", 2, (*soak).planPoisoned, read, undecoded},
	{"panic", 1, (*soak).planPanic, read, func(_ *Request, e end) bool { return e.panicked == "soak" }},
	{"stuck", 1, (*soak).planStuck, read, func(_ *Request, e end) bool { return errors.Is(e.err, errSoak) && e.last.Finish == "" }},
	{"pinned", 3, (*soak).planPinned, pinAwhile, func(_ *Request, e end) bool { return e.err == nil }},
	{"broken", 10, (*soak).planSampled, breakOff, orCancelled},
	{"abandoned", 5, (*soak).planSampled, abandon, orCancelled},
	{"cancelled", 8, (*soak).planSampled, readCancelled, orCancelled},
	{"deadline", 8, (*soak).planSampled, readDeadline, orCancelled},
}

var errSoak = errors.New("soak")

// request plans the request of a number.
func (s *soak) request(n int64) (kind, *Request, *rand.Rand) {
	random := rand.New(rand.NewPCG(uint64(n), 1))
	all := 0
	for _, k := range kinds {
		all += k.share
	}
	at := random.IntN(all)
	i := 0
	for ; at >= kinds[i].share; i++ {
		at -= kinds[i].share
	}
	r := &Request{
		Prompt:    s.prompts[random.IntN(len(s.prompts))],
		MaxTokens: 1 + random.IntN(16),
		Priority:  random.IntN(3),
		Salt:      []string{"", "", "", "tenant", fmt.Sprint("tenant ", n%50)}[random.IntN(5)],
	}
	if random.IntN(20) == 0 {
		r.MaxTokens = 1000 // more than the context holds
	}
	kinds[i].plan(s, random, r)
	return kinds[i], r, random
}

func (s *soak) planGreedy(_ *rand.Rand, r *Request) { r.Matcher = &recorder{} }

func (s *soak) planSampled(random *rand.Rand, r *Request) {
	r.Prompt = slices.Concat(r.Prompt, s.text(random, random.IntN(8)))
	if random.IntN(3) > 0 {
		r.Stop = [][]string{{"ab"}, {"a", "b"}, {"gaha", "c"}, {"\x00", "d", "de"}}[random.IntN(4)]
	}
	if random.IntN(4) == 0 {
		r.Logprobs, r.TopLogprobs = true, random.IntN(4)
	}
	g := &r.Sampling
	if random.IntN(3) > 0 {
		g.Temperature = 0.2 + 1.5*random.Float32()
	}
	if random.IntN(2) == 0 {
		seed := random.Uint32()
		g.Seed = &seed
	}
	for _, set := range []func(){
		func() { g.TopK = 1 + random.IntN(50) },
		func() { g.TopP = random.Float32() },
		func() { g.MinP = random.Float32() / 2 },
		func() { g.TypicalP = random.Float32() },
		func() { g.Mirostat.Tau = 5 * random.Float32() },
		func() { g.RepeatPenalty, g.RepeatLastN = 1.3, random.IntN(40) },
		func() { g.PresencePenalty, g.FrequencyPenalty = 1, -0.5 },
		func() { g.DRY = DRY{Multiplier: 0.8, AllowedLength: 1, Breakers: s.breakers} },
		func() { g.LogitBias = map[Token]float32{soakEnd: 8, soakFirst: float32(math.Inf(-1))} },
		func() { g.LogitBias = map[Token]float32{soakFirst: 20, soakFirst + 1: 20} }, // repeats itself
	} {
		if random.IntN(4) == 0 {
			set()
		}
	}
}

func (s *soak) planForced(random *rand.Rand, r *Request) {
	r.Matcher = &script{choices: random.IntN(4),
		runs: [][]Token{s.text(random, random.IntN(20)), nil, s.text(random, 1+random.IntN(5))}}
}

func (s *soak) planInvalid(random *rand.Rand, r *Request) {
	spoil := []func(){
		func() { r.Prompt = nil },
		func() { r.Prompt = []Token{soakFirst, Token(s.vocab.NTokens())} },
		func() { r.Prompt = s.text(random, soakContext) },
		func() { r.MaxTokens = -random.IntN(2) },
		func() { r.Stop = []string{"a", ""} },
		func() { r.Stop = []string{"\xff"} },
		func() { r.Sampling.Temperature = float32(math.NaN()) },
		func() { r.Sampling.TopP = 1.5 },
		func() { r.Sampling.TopK = -1 },
		func() { r.Sampling.LogitBias = map[Token]float32{-1: 0} },
	}
	spoil[random.IntN(len(spoil))]()
}

func (s *soak) planPoisoned(random *rand.Rand, r *Request) {
	r.Prompt = slices.Concat(s.text(random, 3), []Token{soakPoison}, r.Prompt)
}

func (s *soak) planPanic(_ *rand.Rand, r *Request) {
	r.Matcher = &script{choices: 5, allowed: func(Token) bool { panic("soak") }}
}

func (s *soak) planStuck(random *rand.Rand, r *Request) {
	r.MaxTokens = 10
	r.Matcher = &script{choices: random.IntN(3), err: errSoak, allowed: func(t Token) bool { return t != soakEnd }}
}

func (s *soak) planPinned(*rand.Rand, *Request) {} // the prompt is all that counts

// end is how a request ended for its reader.
type end struct {
	text     string
	logprobs int // how many
	last     Chunk
	err      error
	broken   bool  // the reader broke off
	context  error // of the context, when all was read
	panicked any
	odd      string // what no request may do
}

// take notes a chunk, and what is wrong with it.
func (e *end) take(r *Request, c Chunk, err error) {
	before := e.last.Usage
	switch {
	case e.last.Finish != "" || e.err != nil:
		e.odd = "a chunk after the end"
	case !utf8.ValidString(c.Text):
		e.odd = "text that is not UTF-8"
	case c.Usage.CompletionTokens < before.CompletionTokens || c.Usage.CompletionTokens > max(0, soakBudget(r)):
		e.odd = "usage that cannot be"
	case c.Usage.CachedTokens > len(r.Prompt):
		e.odd = "more of the prompt cached than there is"
	}
	e.text += c.Text
	e.logprobs += len(c.Logprobs)
	e.last, e.err = c, err
	if r.Logprobs && c.Finish != "" && e.logprobs != c.Usage.CompletionTokens {
		e.odd = "not a log probability for each token"
	}
	for _, stop := range r.Stop {
		if stop != "" && strings.Contains(e.text, stop) {
			e.odd = "a stop text in the output"
		}
	}
}

// soakBudget is how many tokens a request may output.
func soakBudget(r *Request) int { return min(r.MaxTokens, soakContext-len(r.Prompt)) }

// readWhile reads a request until it ends or more says no.
func (s *soak) readWhile(ctx context.Context, r *Request, more func() bool) (e end) {
	defer func() {
		e.panicked, e.context = recover(), ctx.Err()
	}()
	for c, err := range s.Generate(ctx, r) {
		e.take(r, c, err)
		if err == nil && c.Finish == "" && !more() {
			e.broken = true
			return e
		}
	}
	if e.err == nil && e.last.Finish == "" {
		e.odd = "no end"
	}
	return e
}

func always() bool { return true }

func read(ctx context.Context, s *soak, _ *rand.Rand, r *Request) end {
	return s.readWhile(ctx, r, always)
}

func readSlowly(ctx context.Context, s *soak, random *rand.Rand, r *Request) end {
	return s.readWhile(ctx, r, func() bool {
		time.Sleep(time.Duration(random.IntN(3)) * time.Millisecond)
		return true
	})
}

// readSamples reads several outputs, and returns the first that did not end as
// it should.
func readSamples(ctx context.Context, s *soak, random *rand.Rand, r *Request) end {
	ends := make([]end, 2+random.IntN(4))
	for c, err := range s.Samples(ctx, r, len(ends)) {
		ends[c.Index].take(r, c.Chunk, err)
	}
	i := slices.IndexFunc(ends, func(e end) bool { return e.odd != "" || !whole(r, e) })
	return ends[max(i, 0)]
}

func breakOff(ctx context.Context, s *soak, random *rand.Rand, r *Request) end {
	chunks := random.IntN(5)
	return s.readWhile(ctx, r, func() bool {
		chunks--
		return chunks >= 0
	})
}

func readCancelled(ctx context.Context, s *soak, random *rand.Rand, r *Request) end {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if delay := random.IntN(8); delay == 0 {
		cancel()
	} else {
		defer time.AfterFunc(time.Duration(5*delay)*time.Millisecond, cancel).Stop()
	}
	return s.readWhile(ctx, r, always)
}

func readDeadline(ctx context.Context, s *soak, random *rand.Rand, r *Request) end {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(random.IntN(40_000))*time.Microsecond)
	defer cancel()
	return s.readWhile(ctx, r, always)
}

// abandon reads one chunk and leaves the rest until some others are left too.
func abandon(ctx context.Context, s *soak, _ *rand.Rand, r *Request) (e end) {
	next, stop := iter.Pull2(s.Generate(ctx, r))
	c, err, _ := next()
	e.take(r, c, err)
	e.broken = err == nil && c.Finish == ""
	s.leave(stop)
	return e
}

// leave calls f when some others have been left too.
func (s *soak) leave(f func()) {
	s.mu.Lock()
	s.left = append(s.left, f)
	var oldest func()
	if len(s.left) > 30 {
		oldest, s.left = s.left[0], s.left[1:]
	}
	s.mu.Unlock()
	if oldest != nil {
		oldest()
	}
}

// pinAwhile keeps a request's prompt in the cache for a while, that of some
// until others are left too.
func pinAwhile(ctx context.Context, s *soak, random *rand.Rand, r *Request) end {
	p, err := s.Pin(ctx, r.Prompt, &PinOptions{Salt: r.Salt})
	if err != nil {
		return end{err: err}
	}
	if random.IntN(2) == 0 {
		s.leave(p.Release)
		return end{}
	}
	time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
	p.Release()
	return end{}
}

// The ends that kinds of requests may have.

func whole(r *Request, e end) bool {
	return e.err == nil && (e.last.Finish == FinishStop || e.last.Finish == FinishLength && e.last.Usage.CompletionTokens == soakBudget(r))
}

func refused(_ *Request, e end) bool {
	var request *RequestError
	var long *ContextTooLongError
	return (errors.As(e.err, &request) || errors.As(e.err, &long)) && e.last.Finish == "" && e.last.Usage == (Usage{})
}

func undecoded(_ *Request, e end) bool {
	var decode *DecodeError
	return errors.As(e.err, &decode) && decode.Code == -1 && e.last.Finish == "" && e.text == ""
}

func orCancelled(r *Request, e end) bool {
	return e.broken || whole(r, e) ||
		e.last.Finish == FinishCancelled && e.context != nil && errors.Is(e.err, e.context)
}
