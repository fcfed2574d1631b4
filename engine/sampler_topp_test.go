package engine

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cria-lm/cria/llama"
)

// modelRows returns rows of the test model: of words that are nearly certain and
// of others that could be anything.
func modelRows(t testing.TB) [][]float32 {
	t.Helper()
	r := newReference(t)
	vocab := oracleModel(t).Vocab()
	var rows [][]float32
	for _, text := range []string{
		"One, two, three, four, five, six, seven, eight, nine,",
		"Once upon a time there was a girl who lived in a village near",
		"apple quickly the seventeen runs of between 37 xylophone",
	} {
		tokens := vocab.Tokenize(nil, text, false, false)
		tokens = tokens[:min(len(tokens), smallBatch)]
		r.llm.Memory().Clear(false)
		r.b.Clear()
		for i, tok := range tokens {
			r.b.Add(tok, llama.Pos(i), 0, true)
		}
		if rc := r.llm.Decode(r.b); rc != 0 {
			t.Fatalf("Decode: %d", rc)
		}
		for i := range tokens {
			rows = append(rows, slices.Clone(r.llm.LogitsIth(i)))
		}
	}
	return rows
}

// oddRows returns rows that no model computes, or hardly any.
func oddRows() map[string][]float32 {
	r := rand.New(rand.NewPCG(5, 5))
	row := func(n int, f func(i int) float64) []float32 {
		row := make([]float32, n)
		for i := range row {
			row[i] = float32(f(i))
		}
		return row
	}
	wide := func(int) float64 { return 3.2*r.NormFloat64() + 4 } // as the test model's spread
	rows := map[string][]float32{
		"one":              {3},
		"one possible":     {-inf, -inf, -70, -inf},
		"two":              {1, 1},
		"normal":           row(49152, wide),
		"normal, more":     row(262144, wide),
		"too many":         row(maxBandRow+1, wide),
		"all the same":     row(49152, func(int) float64 { return -1.5 }),
		"two values":       row(49152, func(i int) float64 { return float64(i % 2) }),
		"few at the top":   row(49152, func(i int) float64 { return 30 * float64(min(1, i%5000)) }),
		"ties":             row(49152, func(int) float64 { return math.Round(3 * r.NormFloat64()) }),
		"edges of bands":   row(49152, func(int) float64 { return math.Round(200*r.NormFloat64()) / 64 }),
		"beside edges":     row(49152, func(int) float64 { return math.Round(200*r.NormFloat64())/64 - 1.0/(1<<17) }),
		"beside middles":   row(49152, func(int) float64 { return (math.Round(200*r.NormFloat64())+0.5)/64 - 1.0/(1<<17) }),
		"below the window": row(49152, func(i int) float64 { return -70 + 25*float64(max(0, 1-i)) }),
		"a ramp":           row(49152, func(i int) float64 { return -float64(i) / 512 }),
		"mostly excluded":  row(49152, func(i int) float64 { return math.Log(float64(max(0, i-49000))) }),
		"far apart":        row(5000, func(int) float64 { return 1e4 * r.NormFloat64() }),
		"huge":             row(5000, func(int) float64 { return 3e37 * r.NormFloat64() }),
		"as huge as it is": {math.MaxFloat32, math.MaxFloat32, -math.MaxFloat32, 0},
		"tiny":             row(5000, func(int) float64 { return 1e-30 * r.NormFloat64() }),
	}
	for _, shift := range []float32{-100, -40, 60, 200, 1e5} {
		shifted := slices.Clone(rows["normal"])
		for i := range shifted {
			shifted[i] += shift
		}
		rows[fmt.Sprintf("normal, %+v", shift)] = shifted
	}
	return rows
}

// Top-p keeps what it keeps when the whole row is exponentiated.
func TestTopPIsExact(t *testing.T) {
	rows := oddRows()
	for i, row := range modelRows(t) {
		rows[fmt.Sprintf("model %d", i)] = row
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		row := rows[name]
		for _, p := range []float32{1e-6, 0.1, 0.5, 0.9, 0.95, 0.999, math.Nextafter32(1, 0)} {
			x := newSampler(Sampling{}, len(row))
			x.borrow()
			must(0, x.topPOfRow(row, float64(p)))
			got := sortedLogits(x.kept)
			checkKept(t, name+": top-p", row, x.kept, float64(p), func(x, _ float64) float64 { return x })
			must(0, x.topPByExp(row, float64(p)))
			if want := sortedLogits(x.kept); !slices.Equal(got, want) {
				t.Errorf("%s: top-p %v keeps %d, with all exponentiated %d", name, p, len(got), len(want))
			}
			x.giveBack()
		}
	}
}

func sortedLogits(list []candidate) []float32 {
	logits := make([]float32, len(list))
	for i, c := range list {
		logits[i] = c.logit
	}
	slices.Sort(logits)
	return logits
}

// From the model's own rows llama.cpp keeps the same, but for its sum of float32.
func TestTopPKeepsWhatLlamaKeeps(t *testing.T) {
	rows := modelRows(t)
	peaked, flat := 0, 0
	for _, s := range []Sampling{{TopP: 0.5}, {TopP: 0.9}, {TopP: 0.95}} {
		chain := oracle(t, s, len(rows[0]), nil, nil)
		x := newSampler(s, len(rows[0]))
		x.borrow()
		for i, row := range rows {
			kept, _ := chain.Apply(candidates(row))
			if len(kept) < 10 {
				peaked++
			} else if len(kept) > 100 {
				flat++
			}
			must(0, x.topPOfRow(row, float64(s.TopP)))
			got, want := len(x.kept), len(kept)
			if more := got - want; more*more > 1+want*want/10000 {
				t.Errorf("top-p %v, row %d: kept %d, llama.cpp %d", s.TopP, i, got, want)
			}
		}
	}
	if peaked < 5 || flat < 5 {
		t.Errorf("the rows are not of all kinds: %d peaked, %d flat", peaked, flat)
	}
}

// What bands say lies within their bounds, and their edges part the tokens as
// they were counted.
func TestBandsBounds(t *testing.T) {
	rows := oddRows()
	for i, row := range modelRows(t) {
		rows[fmt.Sprintf("model %d", i)] = row
	}
	counted := 0
	for name, row := range rows {
		x := newSampler(Sampling{}, len(row))
		x.borrow()
		b := &x.bands
		if ok, err := x.count(row); err != nil {
			t.Fatal(err)
		} else if !ok {
			continue
		}
		counted++
		for _, down := range []int{0, 1, 7, 100, 1000, expSize - 1} {
			checkBands(t, name, row, b, b.top-down)
		}
		for _, p := range []float64{1e-6, 0.5, 0.999, 1 - 1e-7} {
			band, below := b.cut(p, len(row))
			sum := 0.0
			for i := b.top - expSize + 1; i < band; i++ {
				sum += b.weight(i)
			}
			if math.Abs(sum-below) > 1e-9 {
				t.Errorf("%s, p %v: below band %d are %v, not %v", name, p, b.top-band, sum, below)
			}
		}
	}
	if counted != len(rows)-3 { // too many, huge, as huge as it is
		t.Errorf("%d of %d rows could be counted", counted, len(rows))
	}
}

// checkBands compares the bands below one with the tokens below its edge.
func checkBands(t *testing.T, name string, row []float32, b *bands, band int) {
	t.Helper()
	edge := b.edge(band)
	counted, weight := 0, 0.0
	for i := range band {
		counted += int(b.tally[i] >> bandNumber)
		if b.top-i < expSize {
			weight += b.weight(i)
		}
	}
	below, want := 0, 0.0
	for _, l := range row {
		if l >= edge {
			continue
		}
		if l+b.offset >= windowStart {
			below++
		}
		want += math.Exp(float64(l) - b.middle())
	}
	if below != counted {
		t.Errorf("%s, band %d: %d tokens are below the edge, %d were counted", name, b.top-band, below, counted)
	}
	if rest := 1.01 * float64(len(row)) * bandRest; want < weight*bandUnder || want > weight*bandOver+rest {
		t.Errorf("%s, below band %d: weight %v, counted %v", name, b.top-band, want, weight)
	}
}

// A seed gives the same choices whatever rows came before in other requests.
func TestSamplerSeedAfterOtherRows(t *testing.T) {
	row := oddRows()["normal"] // where many are kept, whose order is that of sorting
	s := Sampling{Temperature: 2, TopP: 0.95, Seed: new(uint32)}
	var want []Token
	x := newSampler(s, len(row))
	for range 20 {
		want = append(want, must(x.choose(row, nil, nil)))
	}
	far := slices.Clone(row)
	for i := range far {
		far[i] -= 1000.3
	}
	must(x.choose(far, nil, nil))
	x.start(&s, len(row))
	for i := range want {
		if got := must(x.choose(row, nil, nil)); got != want[i] {
			t.Fatalf("choice %d is %d, before it was %d", i, got, want[i])
		}
	}
}
