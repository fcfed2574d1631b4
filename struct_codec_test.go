package cria

import (
	"encoding/json"
	"reflect"
	"testing"
)

type (
	upperText string
	anyInt    int
)

func (u *upperText) UnmarshalText(b []byte) error { *u = upperText("text " + string(b)); return nil }

// What is stored without JSON is what encoding/json would have stored.
func TestAssignPlain(t *testing.T) {
	for _, test := range []struct {
		value, dst any
		atOnce     bool
	}{
		{"<a>\n\"ü\"", new(string), true},
		{"\xff", new(string), false},
		{"a", new(upperText), false},
		{"1", new(json.Number), false},
		{"a", new(any), false},
		{true, new(bool), true},
		{int64(-128), new(int8), true},
		{int64(-129), new(int8), false},
		{int64(1) << 62, new(int), true},
		{int64(7), new(uint16), false},
		{int64(7), new(float64), false},
		{int64(7), new(anyInt), false},
		{0.1, new(float64), true},
		{0.1, new(float32), false},
		{nil, new(string), false},
	} {
		got := reflect.New(reflect.TypeOf(test.dst).Elem())
		if atOnce := assignPlain(got.Elem(), test.value); atOnce != test.atOnce {
			t.Errorf("%v into a %T: at once is %v", test.value, test.dst, atOnce)
		}
		err := assignJSON(got.Elem(), test.value)
		data, _ := json.Marshal(test.value)
		if wantErr := json.Unmarshal(data, test.dst); (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got.Interface(), test.dst) {
			t.Errorf("%v into a %T: %v, %v; encoding/json has %v, %v", test.value, test.dst, got.Elem(), err, reflect.ValueOf(test.dst).Elem(), wantErr)
		}
	}
}
