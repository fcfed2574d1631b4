package cria

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCoerceLiteral(t *testing.T) {
	for _, test := range []struct {
		values []string
		text   string
		want   string // "" is an error
	}{
		{[]string{".", "*", "!", "+"}, "*", "*"},
		{[]string{".", "*", "!", "+"}, "+", "+"},
		{[]string{".", "*", "!", "+"}, "'!'", "!"},
		{[]string{".", "*", "!", "+"}, "**", ""},
		{[]string{"*", "a"}, "!", ""},
		{[]string{"C", "C.", "C*"}, "C*", "C*"},
		{[]string{"C", "C.", "C*"}, "c.", "C."},
		{[]string{"C", "C.", "C*"}, "`C`", "C"},
		{[]string{"C", "C.", "C*"}, "C!", ""},
		{[]string{"A*", "A"}, "A", "A"},
		{[]string{"A*", "B"}, "**a**", "A*"},
		{[]string{"Yes", "No"}, " yes. ", "Yes"},
	} {
		got, err := (*coercer)(nil).literal(test.values, test.text)
		if test.want == "" && err == nil || test.want != "" && got != test.want {
			t.Errorf("%q of %q is %v, %v; want %q", test.text, test.values, got, err, test.want)
		}
	}
}

func TestCoerceListOfNumbers(t *testing.T) {
	for text, want := range map[string][]any{
		"1,000, 2":            {int64(1000), int64(2)},
		"[1,000, -2,000,000]": {int64(1000), int64(-2000000)},
		"- 1,000\n- 2":        {int64(1000), int64(2)},
		"1,2,3":               {int64(1), int64(2), int64(3)},
		"1,2,345":             {int64(1), int64(2), int64(345)},
		"2020, 2021":          {int64(2020), int64(2021)},
		"[100,200]":           {int64(100), int64(200)},
		"7":                   {int64(7)},
		"1,000":               nil,
		"100,200,300":         nil,
		"1,000, 2,3":          nil,
	} {
		got, err := (*coercer)(nil).list(&Type{Kind: KindInt}, text)
		if want == nil && err == nil || want != nil && cmp.Diff(any(want), got) != "" {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestCoerceNumber(t *testing.T) {
	for text, want := range map[string]any{
		"7": int64(7), " 0042\n": int64(42), "-7": int64(-7), "+7": int64(7), "1_000": int64(1000), "4.": int64(4), "about 7 or so": int64(7),
		"--7": int64(-7), "9223372036854775807": int64(9223372036854775807),
		"": nil, "-": nil, "9223372036854775808": nil, "7 or 8": nil, "7.5": nil, "1-2": nil, "٣": nil,
	} {
		got, err := (*coercer)(nil).int(text)
		if (err == nil) != (want != nil) || err == nil && got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
}
