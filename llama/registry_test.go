package llama

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A backend waits for the models that are being loaded, and neither for longer than its
// context nor in the way of those who read.
func TestWriteRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loads := time.NewTimer(time.Hour)
		registry.RLock() // as LoadModel does, for long
		impatient, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := writeRegistry(impatient); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("past its deadline: %v", err)
		}
		held := make(chan error)
		go func() { held <- writeRegistry(t.Context()) }()
		synctest.Wait()
		if !registry.TryRLock() {
			t.Fatal("who reads waits for who waits to write")
		}
		registry.RUnlock()
		<-loads.C
		select {
		case err := <-held:
			t.Fatalf("written while a model is loaded: %v", err)
		default:
		}
		registry.RUnlock()
		if err := <-held; err != nil {
			t.Fatal(err)
		}
		if registry.TryRLock() {
			t.Error("read while it is written")
		}
		registry.Unlock()
	})
}
