package pool

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/cria-lm/cria/hardware"
)

// A machine with less memory than the budget says: idle models make way for one that finds
// none, those that are used or pinned do not.
func TestMachineSmallerThanBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		room, most := 2, uint64(100) // models that the machine can hold, bytes that it has at all
		s.fail = func(string) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			n := 0
			for _, k := range s.alive {
				n += k
			}
			if n > room { // with the one that is being loaded
				return fmt.Errorf("no room: %w", &hardware.FitError{Need: 10, Most: most})
			}
			return nil
		}
		p := New(s, budget(10))
		get(t, p, "a").Release()
		get(t, p, "b").Release()
		c := get(t, p, "c")
		if gone := s.gone(); len(gone) != 1 || gone[0] != "a" {
			t.Errorf("closed are %v", gone)
		}
		b := get(t, p, "b")
		_, err := p.Get(t.Context(), "d")
		var failed *LoadError
		if fit := (*hardware.FitError)(nil); !errors.As(err, &failed) || !errors.As(err, &fit) {
			t.Errorf("with all in use: %v", err)
		}
		b.Release()
		c.Release()
		most = 1 // it would not fit an empty machine
		if _, err := p.Get(t.Context(), "d"); err == nil || len(s.gone()) != 1 {
			t.Errorf("what can never fit: %v, closed are %v", err, s.gone())
		}
		if got := p.Status().Counts.Evicted; got != 1 {
			t.Errorf("%d were evicted", got)
		}
		done(t, p, s)
	})
}
