package engine

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/cria-lm/cria/llama"
)

var inf = float32(math.Inf(1))

// logits returns a row like a model's: few probable tokens, many improbable.
func logits(n int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	row := make([]float32, n)
	for i := range row {
		row[i] = float32(r.NormFloat64()*3 - 2)
	}
	for range 20 {
		row[r.IntN(n)] += float32(10 + 6*r.Float64())
	}
	return row
}

func newSampler(s Sampling, n int) *sampler {
	x := &sampler{}
	x.start(&s, n)
	return x
}

// oracle is llama.cpp's chain for the same steps.
func oracle(t testing.TB, s Sampling, n int, history []Token, end func(*llama.SamplerChain)) *llama.SamplerChain {
	t.Helper()
	testModelPath(t)
	chain, err := llama.NewSamplerChain()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(chain.Free)
	if len(s.LogitBias) > 0 {
		chain.AddLogitBias(n, s.LogitBias)
	}
	if s.RepeatPenalty != 0 || s.FrequencyPenalty != 0 || s.PresencePenalty != 0 {
		chain.AddPenalties(n, cmp.Or(s.RepeatLastN, DefaultRepeatLastN), cmp.Or(s.RepeatPenalty, 1), s.FrequencyPenalty, s.PresencePenalty)
	}
	if d := s.DRY; d.Multiplier > 0 {
		var texts []string
		if d.Breakers != nil {
			texts = breakerTexts
		}
		chain.AddDRY(oracleModel(t).Vocab(), d.Multiplier, cmp.Or(d.Base, DefaultDRYBase), cmp.Or(d.AllowedLength, DefaultDRYAllowedLength),
			cmp.Or(d.LastN, len(history)), texts)
	}
	if s.TopK > 0 && s.Mirostat.Tau == 0 {
		chain.AddTopK(s.TopK)
	}
	if s.TypicalP > 0 {
		chain.AddTypical(s.TypicalP, 1)
	}
	if s.TopP > 0 {
		chain.AddTopP(s.TopP, 1)
	}
	if s.MinP > 0 {
		chain.AddMinP(s.MinP, 1)
	}
	if end != nil {
		end(chain)
	}
	for _, h := range history {
		chain.Accept(h)
	}
	return chain
}

// breakerTexts are the breakers of all tests that have some.
var breakerTexts = []string{"\n", ":", ". The", "é"}

// oracleModel is the test model, for its vocabulary.
var oracleModel = func() func(t testing.TB) *llama.Model {
	load := sync.OnceValues(func() (*llama.Model, error) {
		path, err := testModel()
		if err != nil {
			return nil, err
		}
		p := llama.DefaultModelParams()
		p.VocabOnly = true
		return llama.LoadModel(path, p, nil)
	})
	return func(t testing.TB) *llama.Model {
		t.Helper()
		m, err := load()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}()

func candidates(row []float32) []llama.TokenData {
	list := make([]llama.TokenData, len(row))
	for i, l := range row {
		list[i] = llama.TokenData{ID: Token(i), Logit: l}
	}
	return list
}

// The tokens kept before the choice are those that llama.cpp keeps.
func TestSamplerKeepsWhatLlamaKeeps(t *testing.T) {
	history := []Token{1, 2, 3, 3, 3, 70, 71}
	for _, s := range []Sampling{
		{TopK: 1}, {TopK: 40}, {TopK: 999}, {TopK: 5000},
		{TopP: 0.001}, {TopP: 0.5}, {TopP: 0.9}, {TopP: 0.999}, {TopP: 1},
		{MinP: 0.01}, {MinP: 0.2}, {MinP: 1},
		{TopK: 40, TopP: 0.9}, {TopK: 40, TopP: 0.9, MinP: 0.05}, {TopP: 0.95, MinP: 0.1}, {TopK: 20, MinP: 0.1},
		{RepeatPenalty: 1.3, TopK: 30}, {RepeatPenalty: 2, RepeatLastN: 2, TopP: 0.9}, {RepeatPenalty: 0.5, TopK: 10},
		{},
	} {
		for seed := range uint64(4) {
			row := logits(1000, seed)
			for i := range history {
				row[history[i]] += float32(6 * (i%3 - 1)) // penalties of both signs
			}
			want, _ := oracle(t, s, len(row), history, nil).Apply(candidates(row))
			s.Temperature = 1
			x := newSampler(s, len(row))
			before := slices.Clone(row)
			x.borrow()
			x.adjust(row, history)
			if all, err := x.filter(row); err != nil {
				t.Fatal(err)
			} else if all {
				x.collect(row, -inf)
			}
			x.restore(row)
			if !slices.Equal(row, before) {
				t.Fatal("the row is not restored")
			}
			if got, want := ids(x.kept), tokenIDs(want); !slices.Equal(got, want) {
				t.Errorf("%+v, row %d: kept %d %v, llama.cpp %d %v", s, seed, len(got), head(got), len(want), head(want))
			}
		}
	}
}

func ids(list []candidate) []Token {
	var out []Token
	for _, c := range list {
		out = append(out, c.id)
	}
	slices.Sort(out)
	return out
}

func tokenIDs(list []llama.TokenData) []Token {
	var out []Token
	for _, c := range list {
		out = append(out, c.ID)
	}
	slices.Sort(out)
	return out
}

func head(list []Token) []Token { return list[:min(len(list), 8)] }

// The greedy choice is llama.cpp's, with and without penalty.
func TestSamplerGreedy(t *testing.T) {
	for _, penalty := range []float32{0, 1, 1.1, 3} {
		for seed := range uint64(8) {
			row := logits(2000, seed)
			history := []Token{Token(seed), 9, 10, must(argmax(row))}
			s := Sampling{RepeatPenalty: penalty}
			kept, at := oracle(t, s, len(row), history, (*llama.SamplerChain).AddGreedy).Apply(candidates(row))
			got, err := newSampler(s, len(row)).choose(row, history, nil)
			if err != nil || got != kept[at].ID {
				t.Errorf("penalty %v, row %d: %d (%v), llama.cpp %d", penalty, seed, got, err, kept[at].ID)
			}
		}
	}
}

func must(t Token, err error) Token {
	if err != nil {
		panic(err)
	}
	return t
}

// Choices have the probabilities that llama.cpp computes.
func TestSamplerDistribution(t *testing.T) {
	const n = 40000
	for _, s := range []Sampling{
		{Temperature: 1}, {Temperature: 0.5, TopK: 8}, {Temperature: 2, TopP: 0.9}, {Temperature: 0.7, MinP: 0.05},
		{Temperature: 1.5, RepeatPenalty: 1.5, TopK: 20, TopP: 0.95},
		{Temperature: 0.1}, {Temperature: 4}, {Temperature: 1, TypicalP: 0.6}, {Temperature: 1, FrequencyPenalty: 2, PresencePenalty: 1},
		{Temperature: 0.8, LogitBias: map[Token]float32{5: 14, 6: -inf}}, {Temperature: 1, DRY: DRY{Multiplier: 3}},
		{Temperature: 1.2, Mirostat: Mirostat{Tau: 1}}, {Temperature: 0.7, Mirostat: Mirostat{Tau: 3}, TopK: 2, PresencePenalty: 1},
	} {
		row := logits(200, 7)
		history := []Token{3, 4, must(argmax(row)), 3, 4}
		kept, _ := oracle(t, s, len(row), history, choice(s)).Apply(candidates(row))

		s.Seed = new(uint32)
		x := newSampler(s, len(row))
		counts := map[Token]int{}
		for range n {
			x.mu = 2 * float64(s.Mirostat.Tau) // as before the first token
			counts[must(x.choose(row, history, nil))]++
		}
		for _, k := range kept {
			p, got := float64(k.P), float64(counts[k.ID])/n
			// Five standard deviations of a share.
			if tolerance := 5*math.Sqrt(p*(1-p)/n) + 1e-4; math.Abs(p-got) > tolerance {
				t.Errorf("%+v: token %d chosen with probability %.4f, llama.cpp %.4f", s, k.ID, got, p)
			}
			delete(counts, k.ID)
		}
		if len(counts) > 0 {
			t.Errorf("%+v: chosen but not kept by llama.cpp: %v", s, counts)
		}
	}
}

func TestSamplerSeed(t *testing.T) {
	row := logits(500, 3)
	draw := func(seed *uint32) []Token {
		x := newSampler(Sampling{Temperature: 3, Seed: seed}, len(row))
		var out []Token
		for range 20 {
			out = append(out, must(x.choose(row, nil, nil)))
		}
		return out
	}
	one, two := uint32(1), uint32(2)
	if !slices.Equal(draw(&one), draw(&one)) {
		t.Error("a seed does not repeat")
	}
	if slices.Equal(draw(&one), draw(&two)) || slices.Equal(draw(nil), draw(nil)) {
		t.Error("different seeds give the same choices")
	}
}

func TestSamplerBadRows(t *testing.T) {
	nan := float32(math.NaN())
	nanRow := logits(1000, 1)
	nanRow[900] = math.Float32frombits(0xffc00000) // as x86 computes it
	for _, tt := range []struct {
		name string
		row  []float32
		ok   bool
	}{
		{"NaN first", []float32{nan, 1}, false},
		{"NaN last", []float32{1, nan}, false},
		{"all NaN", []float32{nan, nan}, false},
		{"all impossible", []float32{-inf, -inf}, false},
		{"infinite", []float32{1, inf}, false},
		{"none", nil, false},
		{"NaN among others", nanRow, false},
		{"one possible", []float32{-inf, -1e30}, true},
		{"huge", []float32{3e38, -3e38}, true},
	} {
		for _, s := range []Sampling{
			{}, {Temperature: 1}, {Temperature: 1, TopK: 1}, {Temperature: 1, TopP: 0.5}, {Temperature: 1e-30, MinP: 0.5},
			{Temperature: 1, TypicalP: 0.5}, {Temperature: 1, Mirostat: Mirostat{Tau: 1}}, {Temperature: 1, TopK: 1, TypicalP: 0.5, TopP: 0.5, MinP: 0.5},
			{Temperature: math.MaxFloat32, TopP: 1, TopK: 3}, {Temperature: math.SmallestNonzeroFloat32},
		} {
			got, err := newSampler(s, len(tt.row)).choose(tt.row, nil, nil)
			if (err == nil) != tt.ok {
				t.Errorf("%s, %+v: %d, %v", tt.name, s, got, err)
			}
			if err == nil && math.IsInf(float64(tt.row[got]), -1) {
				t.Errorf("%s, %+v: chose an impossible token", tt.name, s)
			}
		}
	}
}

// only allows the tokens it lists.
type only map[Token]bool

func (only) Forced() []Token        { return nil }
func (o only) Allowed(t Token) bool { return o[t] }
func (only) Accept(Token) bool      { return true }
func (only) Done() bool             { return false }
func (only) Err() error             { return nil }

func TestSamplerRejection(t *testing.T) {
	row := logits(300, 5)
	order := make([]Token, len(row))
	for i := range order {
		order[i] = Token(i)
	}
	slices.SortFunc(order, func(a, b Token) int { return descending(candidate{logit: row[a]}, candidate{logit: row[b]}) })
	before := slices.Clone(row)
	// The best, one found by sampling again, one found by testing all.
	for _, rank := range []int{0, 1, 5, maxRejections, 30, 299} {
		for _, s := range []Sampling{{}, {Temperature: 1}, {Temperature: 1, TopK: 5}, {Temperature: 1, TopP: 0.5, RepeatPenalty: 1.2}} {
			m := only{order[rank]: true, order[299]: true}
			got, err := newSampler(s, len(row)).choose(row, []Token{order[0]}, m)
			if err != nil || !m[got] || s.Temperature == 0 && got != order[rank] {
				t.Errorf("rank %d, %+v: %d, %v; want %d", rank, s, got, err, order[rank])
			}
			if !slices.Equal(row, before) {
				t.Fatal("the row is not restored")
			}
		}
	}
	if _, err := newSampler(Sampling{}, len(row)).choose(row, nil, only{}); !errors.Is(err, errNoToken) {
		t.Errorf("nothing allowed: %v", err)
	}
	two := []float32{1, 2} // fewer tokens than rejections
	if _, err := newSampler(Sampling{}, 2).choose(two, nil, only{}); !errors.Is(err, errNoToken) {
		t.Errorf("nothing of two allowed: %v", err)
	}
}

// Rejecting and choosing again gives the probabilities of the allowed tokens.
func TestSamplerRejectionDistribution(t *testing.T) {
	row := []float32{2, 1.5, 1, 0.5, 0}
	m := only{1: true, 3: true}
	x := newSampler(Sampling{Temperature: 1, Seed: new(uint32)}, len(row))
	const n = 40000
	ones := 0
	for range n {
		if must(x.choose(row, nil, m)) == 1 {
			ones++
		}
	}
	want := math.Exp(1.5) / (math.Exp(1.5) + math.Exp(0.5))
	if got := float64(ones) / n; math.Abs(got-want) > 0.015 {
		t.Errorf("probability %.4f, want %.4f", got, want)
	}
}

var samplings = []struct {
	name string
	s    Sampling
}{
	{"greedy", Sampling{}},
	{"penalties", Sampling{RepeatPenalty: 1.1, FrequencyPenalty: 0.1, PresencePenalty: 0.1}},
	{"dry", Sampling{DRY: DRY{Multiplier: 0.8}}},
	{"bias", Sampling{LogitBias: map[Token]float32{1: 1, 2: -inf, 300: 5}}},
	{"top-p", Sampling{Temperature: 0.7, TopP: 0.9}},
	{"top-p 0.999", Sampling{Temperature: 0.7, TopP: 0.999}},
	{"top-p, penalty", Sampling{Temperature: 0.7, TopP: 0.9, RepeatPenalty: 1.1}},
	{"top-k, top-p", Sampling{Temperature: 0.7, TopK: 40, TopP: 0.9}},
	{"typical", Sampling{Temperature: 0.7, TypicalP: 0.9}},
	{"min-p", Sampling{Temperature: 0.7, MinP: 0.05}},
	{"temperature", Sampling{Temperature: 0.7}},
	{"mirostat", Sampling{Temperature: 0.7, Mirostat: Mirostat{Tau: 5}}},
}

// benchHistory is 100 tokens with repetitions.
func benchHistory() []Token {
	history := make([]Token, 100)
	for i := range history {
		history[i] = Token(i % 23 * 7)
	}
	return history
}

func second(_ TokenLogprob, err error) error { return err }

// The same steps, in Go and in llama.cpp's chain, which also has to be given the
// candidates.
func BenchmarkSampler(b *testing.B) {
	history := benchHistory()
	for _, n := range []int{49152, 262144} {
		row := logits(n, 1)
		for _, s := range samplings {
			name := fmt.Sprintf("%s/%d", s.name, n)
			b.Run(name+"/go", func(b *testing.B) {
				x := newSampler(s.s, n)
				b.ReportAllocs()
				for b.Loop() {
					must(x.choose(row, history, nil))
				}
			})
			b.Run(name+"/llama", func(b *testing.B) {
				chain := oracle(b, s.s, n, history, choice(s.s))
				full := candidates(row)
				work := make([]llama.TokenData, n)
				b.ReportAllocs()
				for b.Loop() {
					copy(work, full)
					chain.Apply(work)
				}
			})
		}
		b.Run(fmt.Sprintf("logprobs/%d/go", n), func(b *testing.B) {
			x := newSampler(Sampling{}, n)
			b.ReportAllocs()
			for b.Loop() {
				must(0, second(x.logprobs(row, 5, 20)))
			}
		})
	}
}

// choice ends an oracle chain.
func choice(s Sampling) func(*llama.SamplerChain) {
	return func(c *llama.SamplerChain) {
		if s.Temperature == 0 {
			c.AddGreedy()
			return
		}
		c.AddTemp(s.Temperature)
		if m := s.Mirostat; m.Tau > 0 {
			c.AddMirostat(1, m.Tau, cmp.Or(m.Eta, DefaultMirostatEta))
			return
		}
		c.AddDist(1)
	}
}
