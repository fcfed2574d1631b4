package hub

import (
	"os"
	"testing"
)

// TestReal fetches the default model and the libraries through the real
// clients into the user's ordinary cache, which all test packages share.
func TestReal(t *testing.T) {
	h, err := New(&Options{Progress: TerminalProgress(os.Stderr, false)})
	if err != nil {
		t.Fatal(err)
	}
	libs, err := h.Libraries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Log(libs)
	model, err := h.Model(t.Context(), DefaultModel)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(model)
	if model.Digest != "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53" || model.Trust != TrustPinned {
		t.Errorf("got %+v", model)
	}
}
