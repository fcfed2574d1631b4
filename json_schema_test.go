package cria

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Numbers keep to what their Go types hold, patterns mean the same in JSON.
func TestJSONSchemaOfGoTypes(t *testing.T) {
	type narrow struct {
		Level  uint8    `json:"level"`
		Temp   int16    `json:"temp" min:"-40"`
		Ports  []uint16 `json:"ports"`
		Count  uint64   `json:"count"`
		Any    int      `json:"any"`
		Colors []string `json:"colors" enum:"red, green"`
		Code   string   `json:"code" pattern:"[[:alpha:]]\\Q.\\E\\d"`
	}
	sig, err := SignatureOf[struct{}, narrow]("")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"level":  `{"type":"integer","minimum":0,"maximum":255}`,
		"temp":   `{"type":"integer","minimum":-40,"maximum":32767}`,
		"ports":  `{"type":"array","items":{"type":"integer","minimum":0,"maximum":65535}}`,
		"count":  `{"type":"integer","minimum":0,"maximum":999999999999999}`,
		"any":    `{"type":"integer","minimum":-999999999999999,"maximum":999999999999999}`,
		"colors": `{"type":"array","items":{"enum":["red","green"]}}`,
		"code":   `{"type":"string","minLength":1,"pattern":"^(?:[A-Za-z]\\.[0-9])$"}`,
	}
	for _, f := range sig.Outputs() {
		if diff := cmp.Diff(want[f.Name], string(f.JSONSchema())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", f.Name, diff)
		}
	}
}

// What no model could be held to is a mistake in the declaration.
func TestImpossibleDeclarations(t *testing.T) {
	half := 0.5
	for want, f := range map[string]Field{
		"there is no whole number from 0.5 to 0.5": {Name: "n", Type: Type{Kind: KindInt}, Min: &half, Max: &half},
		"a dict's least length cannot be forced":   {Name: "d", Type: Type{Kind: KindDict, Elem: &Type{Kind: KindInt}}, MinLen: 2},
	} {
		if _, err := NewSignature("", nil, []Field{f}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
