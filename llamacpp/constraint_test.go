package llamacpp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/grammar"
)

type card struct {
	Number string     `json:"number" pattern:"[0-9]{4}"`
	Expiry *time.Time `json:"expiry" format:"date"`
}

type transfer struct {
	Bank  string        `json:"bank" len:"..20"`
	Delay time.Duration `json:"delay"`
}

type payment struct {
	Card     *card
	Transfer *transfer
	Cash     *struct{}
}

type booking struct {
	When    time.Time       `json:"when"`
	Day     time.Time       `json:"day" format:"date"`
	Lasts   time.Duration   `json:"lasts"`
	Payment payment         `json:"payment" union:"method"`
	Breaks  []time.Duration `json:"breaks" len:"..3"`
	Refunds []payment       `json:"refunds" union:"method" len:"..2"`
}

type note struct{ Note string }

// matches compiles what the model may write for a field.
func matches(t *testing.T, f cria.Field, text string) bool {
	t.Helper()
	g, err := grammar.Compile(grammarPart(cria.Part{Hole: &f}))
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	ok, err := g.Match(text)
	if err != nil {
		t.Fatalf("%s: %q: %v", f.Name, text, err)
	}
	return ok
}

func TestConstraintsOfTypes(t *testing.T) {
	sig, err := cria.SignatureOf[note, booking]("")
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]cria.Field{}
	for _, f := range sig.Outputs() {
		fields[f.Name] = f
	}
	for _, tt := range []struct {
		field   string
		yes, no []string
	}{
		{"when", []string{" 2026-01-31T15:04:05Z", "2024-02-29T23:59:59.123456789+02:00"},
			[]string{"", " 2026-01-31", "2026-02-30T15:04:05Z", "2026-01-31 15:04:05", "2026-01-31T15:04:05.1234567890Z", "2026-01-31T15:04:05"}},
		{"day", []string{" 2026-01-31", "2024-02-29"}, []string{"", "2026-02-29", "31.01.2026", "2026-01-31T15:04:05Z"}},
		{"lasts", []string{" 1h30m", "45s", "250ms", "1.5h", "0s"}, []string{"", "1", "30m1h", "-1h", "90 minutes", "PT1H"}},
		{"payment", []string{
			` {"method":"card","number":"1234"}`, `{"method":"card","number":"1234","expiry":"2027-01-31"}`,
			`{"method":"transfer","bank":"B","delay":"1h30m"}`, `{"method":"cash"}`,
		}, []string{
			"", "{}", `{"method":"cheque"}`, `{"number":"1234","method":"card"}`, `{"number":"1234"}`, `{"method":"card"}`,
			`{"method":"cash","number":"1234"}`, `{"method":"transfer","bank":"B","delay":"soon"}`, `{"method":"card","number":"1234","expiry":"soon"}`,
		}},
		{"breaks", []string{` ["5m","1h"]`, "[]"}, []string{`[5]`, `["5"]`, `["1m","1m","1m","1m"]`}},
		{"refunds", []string{` [{"method":"cash"},{"method":"card","number":"1234"}]`, "[]"}, []string{`[{"method":"card"}]`, "[{}]"}},
	} {
		for _, text := range tt.yes {
			if !matches(t, fields[tt.field], text) {
				t.Errorf("%s: %q cannot be written", tt.field, text)
			}
		}
		for _, text := range tt.no {
			if matches(t, fields[tt.field], text) {
				t.Errorf("%s: %q can be written", tt.field, text)
			}
		}
	}
}

// A text between tags may have other tags, and what follows a value of any type ends it.
func TestConstraintOfTagged(t *testing.T) {
	sig := parseSignature(t, "-> a, l: Literal['x', 'xy'], n: Optional[int], f: float, b: bool, d: date, j: list[str], o: Optional[str], t: timedelta, z: Any")
	req, err := cria.Tagged{}.Format(sig, cria.Example{})
	if err != nil {
		t.Fatal(err)
	}
	parts := make([]grammar.Part, len(req.Output))
	for i, p := range req.Output {
		parts[i] = grammarPart(p)
	}
	g, err := grammar.Compile(parts...)
	if err != nil {
		t.Fatal(err)
	}
	const rest = "</a>\n<l>xy</l>\n<n>4</n>\n<f>0.5</f>\n<b>true</b>\n<d>2026-01-31</d>\n<j>[\"<\"]</j>\n<o>p\n<</o>\n<t>1h</t>\n<z>q</z>"
	for text, want := range map[string]bool{
		"one" + rest: true, "<b>\n</b>\n\n& </l> < </A>\n</ a>" + rest: true,
		"one</a>\n<l>x</l>\n<n></n>\n<f>-2</f>\n<b>false</b>\n<d>2026-01-31</d>\n<j>[]</j>\n<o></o>\n<t>45s</t>\n<z>{}</z>": true,
		"</a>" + rest: false, "one</a>two" + rest: false, rest: false, "one" + rest + "\n": false, strings.ReplaceAll("one"+rest, "4", "x"): false,
	} {
		if got, err := g.Match(text); err != nil || got != want {
			t.Errorf("%q matches: %t, %v", text, got, err)
		}
	}
}

// Whatever a model takes for likely, the reply can be read.
func TestTimesDurationsAndUnionsAlwaysParse(t *testing.T) {
	m := loadShared(t)
	p := cria.NewPredict[note, booking]("Read the note and give the booking.", nil)
	for seed := range uint32(6) {
		scope := cria.Scope{LM: m, MaxTokens: 400, CloseOnLimit: true}
		if seed > 0 {
			scope.Sampling = &cria.Sampling{Temperature: 1.5, Seed: &seed}
		}
		in := note{fmt.Sprintf("The hall is booked for March %d, 2026 at 5 pm for an hour and a half, with two breaks of 10 minutes. Card ends in 4242.", seed+1)}
		r, err := p.Run(cria.With(t.Context(), scope), in)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			continue
		}
		v := r.Value.Payment
		set := 0
		for _, is := range []bool{v.Card != nil, v.Transfer != nil, v.Cash != nil} {
			if is {
				set++
			}
		}
		if set != 1 {
			t.Errorf("seed %d: %d variants are set by %q", seed, set, r.Text)
		}
	}
}
