package cria

import "testing"

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
		got, err := coerceLiteral(test.values, test.text)
		if test.want == "" && err == nil || test.want != "" && got != test.want {
			t.Errorf("%q of %q is %v, %v; want %q", test.text, test.values, got, err, test.want)
		}
	}
}
