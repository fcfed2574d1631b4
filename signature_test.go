package cria

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseSignature(t *testing.T) {
	tests := []struct{ in, want string }{
		{"question -> answer", "question: str -> answer: str"},
		{"question, context: list[str] -> answer, confidence: float", "question: str, context: list[str] -> answer: str, confidence: float"},
		{"  a:int,b : bool->c:Any ", "a: int, b: bool -> c: Any"},
		{"-> story", "-> story: str"},
		{"a -> b: Literal['x', \"y z\", w, 3]", "a: str -> b: Literal['x', 'y z', 'w', '3']"},
		{"a -> b: Literal['it\\'s', '日本']", "a: str -> b: Literal['it\\'s', '日本']"},
		{"a -> b: Optional[int], c: str | None", "a: str -> b: Optional[int], c: Optional[str]"},
		{"a: dict[str, list[float]] -> b: list", "a: dict[str, list[float]] -> b: list[Any]"},
		{"a: List[str], d: typing.Dict -> b", "a: list[str], d: dict[str, Any] -> b: str"},
		{"a: datetime, b: list[date] -> c: Optional[timedelta]", "a: datetime, b: list[date] -> c: Optional[timedelta]"},
		{"a: datetime.datetime -> b: dict[str, datetime.date]", "a: datetime -> b: dict[str, date]"},
		{"a:\n int ->\n b", "a: int -> b: str"},
		{"a: None | int -> b: int | None | None", "a: Optional[int] -> b: Optional[int]"},
		{"a: Union[str, None] -> b: typing.Union[None, list[int]]", "a: Optional[str] -> b: Optional[list[int]]"},
		{"a: Optional[int | None] -> b: Optional[Optional[str]]", "a: Optional[int] -> b: Optional[str]"},
		{"a: list[Literal['x', \"it's\"]] -> b: dict[str, dict[str, list[bool]]]", "a: list[Literal['x', 'it\\'s']] -> b: dict[str, dict[str, list[bool]]]"},
		{"a -> b: Literal['x', None], c: Optional[Literal['None']]", "a: str -> b: Optional[Literal['x']], c: Optional[Literal['None']]"},
		{"a: JSON -> b: list[JSON]", "a: JSON -> b: list[JSON]"},
		{"a: tuple[int, ...], c: Tuple[list[str], ... ] -> b: set[str]", "a: list[int], c: list[list[str]] -> b: list[str]"},
		{"a: tuple, c: typing.Tuple -> b: set, d: frozenset | None", "a: list[Any], c: list[Any] -> b: list[Any], d: Optional[list[Any]]"},
		{"a: typing.FrozenSet[date], c: Set[Literal['x']] -> b: frozenset[bool]", "a: list[date], c: list[Literal['x']] -> b: list[bool]"},
		{"a: collections.abc.Sequence[str], c: Mapping[str, int] -> b: Mapping", "a: list[str], c: dict[str, int] -> b: dict[str, Any]"},
		{"a: builtins.str, c: types.NoneType | int, dspy: dspy.Image -> b", "a: str, c: Optional[int], dspy: Image -> b: str"},
		{"a: dspy.History, c: Optional[Image] -> b", "a: History, c: Optional[Image] -> b: str"},
		{"a -> b: Literal[1, 2], c: Literal[True, False]", "a: str -> b: Literal['1', '2'], c: Literal['True', 'False']"},
	}
	for _, tt := range tests {
		sig, err := ParseSignature(tt.in)
		if err != nil {
			t.Errorf("ParseSignature(%q): %v", tt.in, err)
			continue
		}
		if sig.String() != tt.want {
			t.Errorf("ParseSignature(%q) = %q, want %q", tt.in, sig, tt.want)
		}
		if again, err := ParseSignature(sig.String()); err != nil || again.String() != tt.want {
			t.Errorf("%q does not read back: %v, %v", sig, again, err)
		}
	}
}

func TestParseSignatureErrors(t *testing.T) {
	tests := []struct {
		in, rest, msg string // rest is the text the error points at
	}{
		{"", "", "want the name of a field"},
		{"question", "", "want \"->\""},
		{"question answer", "answer", "want a comma"},
		{"question ->", "", "want an output field"},
		{"a, -> b", "-> b", "want the name of a field"},
		{"a -> b,", "", "want the name of a field"},
		{"a -> b c", "c", "want a comma"},
		{"a -> b -> c", "-> c", "want a comma"},
		{"1a -> b", "1a -> b", "does not begin with a digit"},
		{"a -> A", "A", "declared twice"},
		{"a: lst -> b", "lst -> b", "unknown type"},
		{"a: -> b", "-> b", "want a type"},
		{"a: datetime.time -> b", "datetime.time -> b", "use str"},
		{"a: list[ -> b", "-> b", "want a type"},
		{"a: list[int -> b", "-> b", "want \"]\""},
		{"a: dict[int, str] -> b", "int, str] -> b", "keys of a dict are str"},
		{"a: int | str -> b", "str -> b", "use one that has all the values"},
		{"a: Union[int, str] -> b", "str] -> b", "only None"},
		{"a: Union[int -> b", "-> b", "want a comma"},
		{"a: None -> b", "-> b", "want a type beside None"},
		{"a: Union[None] -> b", "-> b", "want a type beside None"},
		{"a: list[None | int] -> b", "None | int] -> b", "optional type cannot stand inside"},
		{"a: list[Literal['x', None]] -> b", "Literal['x', None]] -> b", "optional type cannot stand inside"},
		{"a: Literal[None] -> b", "None] -> b", "at least one value"},
		{"a: flot -> b", "flot -> b", "did you mean float?"},
		{"a: string -> b", "string -> b", "use str"},
		{"a: tuple[int, str] -> b", "int, str] -> b", "use a field for each element"},
		{"a: tuple[int, int] -> b", "int, int] -> b", "want tuple[T, ...]"},
		{"a: tuple[int] -> b", "int] -> b", "want tuple[T, ...]"},
		{"a: tuple[int, ...", "int, ...", "want tuple[T, ...]"},
		{"a: tuple[] -> b", "] -> b", "want a type"},
		{"a: set[bytes] -> b", "bytes] -> b", "use str"},
		{"a: dict[Literal['x'], str] -> b", "Literal['x'], str] -> b", "use dict[str, T]"},
		{"a: Mapping[int, str] -> b", "int, str] -> b", "use dict[str, T]"},
		{"a: complex -> b", "complex -> b", "a float for each part"},
		{"a: decimal.Decimal -> b", "decimal.Decimal -> b", "use float, or str"},
		{"a -> b: Annotated[int, Field(ge=1)]", "Annotated[int, Field(ge=1)]", "Signature.WithField"},
		{"a: list[Image] -> b", "Image] -> b", "use a field for each"},
		{"a: dict[str, dspy.History] -> b", "dspy.History] -> b", "is an input of its own"},
		{"a: tuple[Image, ...] -> b", "Image, ...] -> b", "use a field for each"},
		{"a: list[dspy.Tool] -> b", "dspy.Tool] -> b", "a Literal of their names"},
		{"a -> b: dspy.ToolCalls", "dspy.ToolCalls", "a Literal of their names"},
		{"a -> b: Code", "Code", "use str, in a format"},
		{"a -> b: dspy.Code['go']", "dspy.Code['go']", "use str, in a format"},
		{"a -> b: dspy.Reasoning", "dspy.Reasoning", "Signature.WithReasoning"},
		{"a: dspy.Audio -> b", "dspy.Audio -> b", "use str, with what is said"},
		{"a: File | None -> b", "File | None -> b", "with the text of the file"},
		{"a: dspy.experimental.Document -> b", "dspy.experimental.Document -> b", "with the text of the document"},
		{"a: shop.Order -> b", "shop.Order -> b", "a Go struct, for SignatureOf"},
		{"a: typing. -> b", "typing. -> b", "want a type"},
		{"a: Str -> b", "Str -> b", "did you mean str?"},
		{"a: list[str, int] -> b", ", int] -> b", "want \"]\""},
		{"a: str[int] -> b", "[int] -> b", "want a comma"},
		{"a: list[Optional[int]] -> b", "Optional[int]] -> b", "optional type cannot stand inside"},
		{"a -> b: Literal[]", "]", "want a value"},
		{"a -> b: Literal['x]", "'x]", "not closed"},
		{"a -> b: Literal['x' 'y']", "'y']", "want a comma"},
		{"a -> b: Literal['x', 'X']", "'x', 'X']", "differ only in case"},
		{"né -> b", "é -> b", "want a comma"},
		{"a: " + strings.Repeat("list[", 100) + " -> b", strings.Repeat("list[", 68) + " -> b", "nested too deeply"},
	}
	for _, tt := range tests {
		_, err := ParseSignature(tt.in)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("ParseSignature(%q) = %v, want a SyntaxError", tt.in, err)
			continue
		}
		if rest := tt.in[syntax.Offset:]; rest != tt.rest || !strings.Contains(syntax.Msg, tt.msg) {
			t.Errorf("ParseSignature(%q): %q at %q, want %q at %q", tt.in, syntax.Msg, rest, tt.msg, tt.rest)
		}
	}
}

func TestSyntaxErrorPointsAtTheCharacter(t *testing.T) {
	_, err := ParseSignature("é: str, x: lst -> b")
	want := `signature "é: str, x: lst -> b": at character 1, "é: str, x: lst -> b": want the name of a field: letters, digits and underscores`
	if err == nil || err.Error() != want {
		t.Errorf("error = %v\nwant    %s", err, want)
	}
}

func FuzzParseSignature(f *testing.F) {
	for _, seed := range []string{"question -> answer", "a: list[dict[str, Optional[int]]] -> b: Literal['x', \"y\"] | None", "->", "a:b:c->d", "a -> b: Literal['\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sig, err := ParseSignature(s)
		if err != nil {
			return
		}
		again, err := ParseSignature(sig.String())
		if err != nil || again.String() != sig.String() {
			t.Errorf("%q gives %q, which gives %q, %v", s, sig, again, err)
		}
	})
}

type level int

func (l level) MarshalText() ([]byte, error) { return []byte(strings.Repeat("*", int(l))), nil }
func (l *level) UnmarshalText(b []byte) error {
	*l = level(len(b))
	return nil
}

type address struct {
	Street string
	No     int `json:"no"`
}

type base struct {
	ID string `json:"id"`
}

type everything struct {
	base
	HTTPServer string
	Count      int8                 `json:"count" min:"0" max:"10"`
	Big        uint64               `json:"big,omitempty"`
	Ratio      float32              `desc:"a share"`
	OK         bool                 `json:"ok"`
	Tags       []string             `len:"1..3"`
	Scores     map[string]float64   `json:"scores"`
	Mood       string               `enum:"good, bad"`
	Home       address              `json:"home"`
	Nested     map[string][]address `json:"nested"`
	Note       *string              `json:"note"`
	Raw        json.RawMessage      `json:"raw"`
	Level      level                `json:"level"`
	When       time.Time            `json:"when"`
	Code       string               `pattern:"[A-Z]+" len:"2"`
	Mail       string               `format:"email"`
	Whatever   any                  `json:"whatever"`
	Skipped    string               `json:"-"`
	_          chan int
}

func TestSignatureOf(t *testing.T) {
	type in struct {
		Question string
	}
	sig, err := SignatureOf[in, everything]("Do it.")
	if err != nil {
		t.Fatal(err)
	}
	want := "question: str -> id: str, http_server: str, count: int, big: Optional[int], ratio: float, ok: bool, " +
		"tags: list[str], scores: dict[str, float], mood: Literal['good', 'bad'], home: {Street: str, no: int}, " +
		"nested: dict[str, list[{Street: str, no: int}]], note: Optional[str], raw: JSON, level: str, when: datetime, code: str, mail: str, whatever: Any"
	if diff := cmp.Diff(want, sig.String()); diff != "" {
		t.Errorf("signature (-want +got):\n%s", diff)
	}
	count := sig.Outputs()[2]
	if *count.Min != 0 || *count.Max != 10 {
		t.Errorf("count has range %v..%v", *count.Min, *count.Max)
	}
}

func TestSignatureOfErrors(t *testing.T) {
	type in struct{ Q string }
	type recursive struct{ Next []recursive }
	type list []list
	type dict map[string]dict
	type hidden struct{ x int }
	type inlined struct {
		Inner struct{ A string } `json:",inline"`
	}
	_ = hidden{x: 1}
	check := func(name, want string, build func() error) {
		t.Run(name, func(t *testing.T) {
			if err := build(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error = %v, want one containing %q", err, want)
			}
		})
	}
	check("not a struct", "inputs: string is not a struct", func() error { _, err := SignatureOf[string, in](""); return err })
	check("no outputs", "no output field", func() error { _, err := SignatureOf[in, struct{}](""); return err })
	check("channel", ".C: a chan int cannot be a field", func() error { _, err := SignatureOf[in, struct{ C chan int }](""); return err })
	check("func in a list", ".F: a func() cannot be a field", func() error { _, err := SignatureOf[in, struct{ F []func() }](""); return err })
	check("map keys", ".M: the keys of a map must be strings", func() error { _, err := SignatureOf[in, struct{ M map[int]string }](""); return err })
	check("bytes", ".B: bytes cannot be a field", func() error { _, err := SignatureOf[in, struct{ B []byte }](""); return err })
	check("recursion", "the type contains itself", func() error { _, err := SignatureOf[in, recursive](""); return err })
	check("recursive list", "the type contains itself", func() error { _, err := SignatureOf[in, struct{ L list }](""); return err })
	check("recursive map", "the type contains itself", func() error { _, err := SignatureOf[in, struct{ M dict }](""); return err })
	check("array", ".A: a [2]int cannot be a field", func() error { _, err := SignatureOf[in, struct{ A [2]int }](""); return err })
	check("nothing in it", ".H: cria.hidden has no exported field", func() error { _, err := SignatureOf[in, struct{ H hidden }](""); return err })
	check("inlined in a nested struct", "Inner: only fields of a signature's own struct can be inlined", func() error { _, err := SignatureOf[in, struct{ I inlined }](""); return err })
	check("numbers as strings", `.N: the json option "string" is not supported`, func() error {
		_, err := SignatureOf[in, struct {
			N int `json:"n,string"`
		}]("")
		return err
	})
	check("same name", `outputs: cria.in.Q: the name "q" is declared twice, by cria.in.Q before: give one of them another json name`, func() error { _, err := SignatureOf[in, in](""); return err })
	check("same name in one struct", `.Foo_bar: the name "foo_bar" is declared twice`, func() error {
		_, err := SignatureOf[in, struct {
			FooBar  string
			Foo_bar string
		}]("")
		return err
	})
	check("enum on an int", ".N: enum needs a string", func() error {
		_, err := SignatureOf[in, struct {
			N int `enum:"1,2"`
		}]("")
		return err
	})
	check("min on a string", ".S: min and max need a number", func() error {
		_, err := SignatureOf[in, struct {
			S string `min:"1"`
		}]("")
		return err
	})
	check("min that is no number", `.N: min:"x" is not a number`, func() error {
		_, err := SignatureOf[in, struct {
			N int `min:"x"`
		}]("")
		return err
	})
	check("empty range", ".N: min 2 is greater than max 1", func() error {
		_, err := SignatureOf[in, struct {
			N int `min:"2" max:"1"`
		}]("")
		return err
	})
	check("len", `.S: len:"a..b" is not a range`, func() error {
		_, err := SignatureOf[in, struct {
			S string `len:"a..b"`
		}]("")
		return err
	})
	check("pattern", ".S: pattern: error parsing regexp", func() error {
		_, err := SignatureOf[in, struct {
			S string `pattern:"("`
		}]("")
		return err
	})
	check("format", `.S: unknown format "dat"`, func() error {
		_, err := SignatureOf[in, struct {
			S string `format:"dat"`
		}]("")
		return err
	})
	check("name", `a name is letters, digits and underscores`, func() error {
		_, err := SignatureOf[in, struct {
			S string `json:"a b"`
		}]("")
		return err
	})
	check("instruction", "not valid UTF-8", func() error { _, err := SignatureOf[in, struct{ A string }]("\xff"); return err })
}

func TestStructCodecRoundTrip(t *testing.T) {
	note := "n"
	want := everything{
		base: base{"1"}, HTTPServer: "h", Count: 3, Big: 1 << 62, Ratio: 0.5, OK: true, Tags: []string{"a"},
		Scores: map[string]float64{"x": 1.5}, Mood: "good", Home: address{"S", 1},
		Nested: map[string][]address{"k": {{"T", 2}}}, Note: &note, Raw: json.RawMessage(`{"a":1}`), Level: 2,
		When: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Code: "AB", Mail: "a@b.c", Whatever: "w",
	}
	codec := codecOf[everything]()
	ex := codec.encode(want)
	sig, err := NewSignature("", nil, fieldsOf(codec.fields))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := Lines{}.inputs(sig.outputs, ex)
	if err != nil {
		t.Fatal(err)
	}
	values, err := Lines{}.Parse(sig, Message{RoleAssistant, reply})
	if err != nil {
		t.Fatalf("parsing %q: %v", reply, err)
	}
	var got everything
	if err := codec.decode(values, reply, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(everything{}, base{})); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
}

func TestStructCodecRefusesWhatDoesNotFit(t *testing.T) {
	type small struct {
		Name string
		N    int8
	}
	out := small{Name: "before"}
	err := codecOf[small]().decode(Example{"name": "after", "n": int64(300)}, "raw", &out)
	var parseErr *ParseError
	if !errors.As(err, &parseErr) || parseErr.Fields[0].Field != "n" {
		t.Fatalf("decode = %v, want a ParseError for n", err)
	}
	if out.Name != "before" {
		t.Error("a half-filled struct was handed out")
	}
}

func TestConstraintsAreChecked(t *testing.T) {
	type out struct {
		N     int      `min:"1" max:"5"`
		S     string   `len:"2..3" pattern:"[a-z]+"`
		L     []string `len:"..2"`
		Date  string   `format:"date"`
		Where string   `format:"uri"`
	}
	sig, err := SignatureOf[struct{ Q string }, out]("")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Lines{}.Parse(sig, Message{RoleAssistant, "n: 6\ns: A\nl: a, b, c\ndate: 2026-02-30\nwhere: nowhere"})
	var parseErr *ParseError
	if !errors.As(err, &parseErr) || len(parseErr.Fields) != 5 {
		t.Fatalf("Parse = %v, want errors for 5 fields", err)
	}
	_, err = Lines{}.Parse(sig, Message{RoleAssistant, "n: 5\ns: abc\nl: a, b\ndate: 2026-02-28\nwhere: https://example.org/"})
	if err != nil {
		t.Error(err)
	}
}

func TestWithReasoning(t *testing.T) {
	for in, want := range map[string]string{
		"q -> a":                   "q: str -> reasoning: str, a: str",
		"q -> a, Reasoning":        "q: str -> a: str, Reasoning: str",
		"q -> reasoning: str, a":   "q: str -> reasoning: str, a: str",
		"q -> reason, reasoning_2": "q: str -> reasoning: str, reason: str, reasoning_2: str",
	} {
		sig, err := mustParse(t, in).WithReasoning()
		if err != nil || sig.String() != want {
			t.Errorf("%q with reasoning = %q, %v, want %q", in, sig, err, want)
		}
	}
	if _, err := mustParse(t, "reasoning -> a").WithReasoning(); err == nil {
		t.Error("an input named reasoning did not clash")
	}
}

func TestReasonedSharesADeclaredField(t *testing.T) {
	type out struct {
		Answer    string
		Reasoning string
	}
	p := NewChainOfThought[struct{ Q string }, out]("", nil)
	if got, want := p.Signature().String(), "q: str -> reasoning: str, answer: str"; got != want {
		t.Errorf("signature = %q, want %q", got, want)
	}
	var value Reasoned[out]
	if err := p.outputs.decode(Example{"reasoning": "r", "answer": "a"}, "", &value); err != nil {
		t.Fatal(err)
	}
	if want := (Reasoned[out]{"r", out{"a", "r"}}); value != want {
		t.Errorf("decoded %+v, want %+v", value, want)
	}
}

func TestDemosAreChecked(t *testing.T) {
	sig := mustParse(t, "q -> a")
	for _, demo := range []Example{{"q": "x"}, {"a": "y"}, {}, {"q": "\xff", "a": "y"}, {"q": "x", "a": func() {}}} {
		if _, err := sig.WithDemos(Example{"q": "1", "a": "2"}, demo); err == nil || !strings.HasPrefix(err.Error(), "demo 2: ") {
			t.Errorf("WithDemos(%v) = %v, want an error for demo 2", demo, err)
		}
	}
	sig = mustParse(t, "q -> a: Literal['x', 'y']")
	if _, err := sig.WithDemos(Example{"q": "1", "a": "z"}); err == nil || !strings.Contains(err.Error(), `field "a": want one of x, y, got "z"`) {
		t.Errorf("a demo outside a closed set: %v", err)
	}
}

func TestNewPredictPanicsOnABadDeclaration(t *testing.T) {
	defer func() {
		if r := recover(); r == nil {
			t.Error("no panic")
		}
	}()
	NewPredict[struct{ Q string }, struct{ C chan int }]("", nil)
}
