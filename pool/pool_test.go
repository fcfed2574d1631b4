package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakes is a source of models that take a second to load and need 1 byte, or as many as
// their names end in. "x2@a" is a context of a that needs 2 bytes.
type fakes struct {
	mu      sync.Mutex
	alive   map[string]int
	most    int // bytes that were ever alive
	loads   []string
	closed  []string
	fail    func(name string) error
	took    time.Duration
	ignores bool              // loads do not heed their context
	grown   int               // bytes that models need by now, beside those
	needs   map[string]Memory // of models that need others than that
	panics  string            // the model whose Close panics when it is closed
}

type fake struct {
	name     string
	source   *fakes
	of       *fake // a context's model
	contexts int   // that live
	closed   bool
	broken   atomic.Bool
}

// Err says that the model serves nobody.
func (f *fake) Err() error {
	if f.broken.Load() {
		return errors.New("broken")
	}
	return nil
}

func newFakes() *fakes { return &fakes{alive: map[string]int{}, took: time.Second} }

func needOf(name string) int {
	n := 1
	fmt.Sscanf(name[1:], "%d", &n)
	return n
}

func (s *fakes) Need(_ context.Context, name string, _ Room) (Memory, error) {
	if name == "unknown" {
		return nil, errors.New("nobody has it")
	}
	if need := s.needs[name]; need != nil {
		return need, nil
	}
	need := needOf(name)
	if !strings.Contains(name, "@") {
		need += s.grown
	}
	return Memory{Host: uint64(need)}, nil
}

func (s *fakes) Load(ctx context.Context, name string, _ Memory) (*fake, error) {
	if strings.Contains(name, "@") {
		panic("a context is loaded as a model")
	}
	return s.load(ctx, name)
}

func (s *fakes) ContextOf(name string) (string, bool) {
	_, model, ok := strings.Cut(name, "@")
	return model, ok
}

func (s *fakes) NewContext(ctx context.Context, name string, model *fake) (*fake, error) {
	s.mu.Lock()
	if of, _ := s.ContextOf(name); model.name != of || model.closed {
		panic(fmt.Sprintf("the context %s is made of %+v", name, model))
	}
	model.contexts++
	s.mu.Unlock()
	var c *fake
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if c == nil { // failed, or panicked
			model.contexts--
		}
	}()
	made, err := s.load(ctx, name)
	if err != nil {
		return nil, err
	}
	c = made
	c.of = model
	return c, nil
}

// peak is the most that was in memory at once. A load that nobody wants any more may still
// be ending.
func (s *fakes) peak() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

func (s *fakes) load(ctx context.Context, name string) (*fake, error) {
	if strings.HasPrefix(name, "panics") {
		panic("no such thing")
	}
	s.mu.Lock()
	s.loads = append(s.loads, name)
	s.alive[name]++
	now := 0
	for n, k := range s.alive {
		now += needOf(n) * k
	}
	s.most = max(s.most, now)
	s.mu.Unlock()
	leave := func(err error) (*fake, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.alive[name]--
		return nil, err
	}
	wait := ctx.Done()
	if s.ignores {
		wait = nil
	}
	select {
	case <-time.After(s.took):
	case <-wait:
		return leave(ctx.Err())
	}
	if s.fail != nil {
		if err := s.fail(name); err != nil {
			return leave(err)
		}
	}
	return &fake{name: name, source: s}, nil
}

func (f *fake) Close() error {
	time.Sleep(100 * time.Millisecond) // memory is not free at once
	f.source.mu.Lock()
	defer f.source.mu.Unlock()
	if f.closed {
		panic("closed twice")
	}
	if f.contexts > 0 {
		panic("closed before its contexts")
	}
	if f.of != nil {
		f.of.contexts--
	}
	f.closed = true
	f.source.alive[f.name]--
	f.source.closed = append(f.source.closed, f.name)
	if f.name == f.source.panics {
		panic("no such thing")
	}
	return nil
}

// gone are the models that were closed, in that order.
func (s *fakes) gone() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.closed)
}

func budget(n uint64) *Options { return &Options{Budget: Memory{Host: n}} }

func get(t *testing.T, p *Pool[*fake], name string) *Lease[*fake] {
	t.Helper()
	lease, err := p.Get(t.Context(), name)
	if err != nil {
		t.Fatalf("Get(%s): %v", name, err)
	}
	if lease.Model().name != name || lease.Model().closed {
		t.Fatalf("Get(%s) has the model %+v", name, lease.Model())
	}
	return lease
}

// done closes the pool and checks that nothing is left.
func done(t *testing.T, p *Pool[*fake], s *fakes) {
	t.Helper()
	if err := p.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	for name, n := range s.alive {
		if n != 0 {
			t.Errorf("%d of %s are left", n, name)
		}
	}
	if status := p.Status(); len(status.Models) > 0 || len(status.Used) > 0 || status.Waiting > 0 {
		t.Errorf("the closed pool has %+v", status)
	}
}

func TestLoadedOnceAndShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, budget(2))
		var all sync.WaitGroup
		models := make([]*fake, 20)
		for i := range models {
			all.Go(func() {
				lease := get(t, p, "a")
				defer lease.Release()
				models[i] = lease.Model()
				time.Sleep(time.Second)
			})
		}
		all.Wait()
		for _, m := range models {
			if m != models[0] {
				t.Fatal("there are two of a model")
			}
		}
		before := time.Now()
		lease := get(t, p, "a")
		if took := time.Since(before); took > 0 {
			t.Errorf("a model in memory took %v", took)
		}
		lease.Release()
		lease.Release() // counts once
		status := p.Status()
		if len(s.loads) != 1 || status.Loaded != 1 || status.Models[0].Uses != 21 || status.Models[0].State != "idle" || status.Models[0].LoadTook != time.Second {
			t.Errorf("loads %v, status %+v", s.loads, status)
		}
		done(t, p, s)
	})
}

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, budget(3))
		for _, name := range []string{"a", "b", "c", "a"} {
			get(t, p, name).Release()
			time.Sleep(time.Second)
		}
		get(t, p, "d").Release() // in b's place
		if diff := cmp.Diff([]string{"b"}, s.gone()); diff != "" {
			t.Errorf("closed (-want +got):\n%s", diff)
		}
		p.Pin("c")
		get(t, p, "e2").Release() // c is pinned: in the places of a and d
		if diff := cmp.Diff([]string{"a", "b", "d"}, slices.Sorted(slices.Values(s.gone()))); diff != "" {
			t.Errorf("closed (-want +got):\n%s", diff)
		}
		if s.peak() > 3 {
			t.Errorf("%d bytes were in use", s.peak())
		}
		if status := p.Status(); status.Evicted != 3 || status.Used[Host] != 3 {
			t.Errorf("status %+v", status)
		}
		done(t, p, s)
	})
}

// What is in use is never closed; who needs its memory waits until the context ends.
func TestNothingCanBeEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, budget(2))
		a, b := get(t, p, "a"), get(t, p, "b")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		_, err := p.Get(ctx, "c")
		busy := (*BusyError)(nil)
		if !errors.As(err, &busy) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
		if want := "no room for the model c, which needs CPU 1 B, in time (in use: a, b): release one, raise the budget or wait longer: context deadline exceeded"; err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
		p.Pin("b")
		b.Release()
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := p.Get(ctx, "c"); !errors.As(err, &busy) || !strings.Contains(err.Error(), " in time (in use: a; pinned: b): release or unpin one, raise") {
			t.Errorf("in the place of a pinned model: %v", err)
		}
		go func() {
			time.Sleep(time.Minute)
			p.Unpin("b")
		}()
		began = time.Now()
		get(t, p, "c").Release()
		if took := time.Since(began); took != time.Minute+time.Second+100*time.Millisecond {
			t.Errorf("the model came after %v", took)
		}
		a.Release()
		done(t, p, s)
	})
}

func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		broken := errors.New("the file is damaged")
		s.fail = func(name string) error {
			if name == "broken" {
				return broken
			}
			return nil
		}
		p := New[*fake](s, budget(2))
		large := (*TooLargeError)(nil)
		if _, err := p.Get(t.Context(), "l3"); !errors.As(err, &large) || !strings.Contains(err.Error(), "the model l3 needs CPU 3 B, CPU 1 B more than the pool's budget (CPU 2 B): raise the budget") {
			t.Errorf("too large: %v", err)
		}
		load := (*LoadError)(nil)
		if _, err := p.Get(t.Context(), "unknown"); !errors.As(err, &load) || err.Error() != "loading the model unknown: nobody has it" {
			t.Errorf("unknown: %v", err)
		}
		// All who wait hear of it, and the next one tries again.
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				load := (*LoadError)(nil)
				if _, err := p.Get(t.Context(), "broken"); !errors.As(err, &load) || !errors.Is(err, broken) {
					t.Errorf("broken: %v", err)
				}
			})
		}
		all.Wait()
		if _, err := p.Get(t.Context(), "panics"); !errors.As(err, &load) || !strings.Contains(err.Error(), "no such thing") {
			t.Errorf("panic: %v", err)
		}
		if status := p.Status(); status.Failed != 2 || len(status.Models) != 0 || len(status.Used) != 0 {
			t.Errorf("status %+v", status)
		}
		if err := p.Preload(t.Context(), "a", "b", "c", "unknown"); !errors.As(err, &large) || large.Name != "c" || !slices.Equal(large.Beside, []string{"a", "b"}) || !strings.Contains(err.Error(), "the model c does not fit beside a, b: together they need CPU 3 B, CPU 1 B more") || !errors.As(err, &load) {
			t.Errorf("Preload: %v", err)
		}
		if status := p.Status(); len(status.Models) != 2 || status.Models[0].State != "idle" {
			t.Errorf("preloaded %+v", status.Models)
		}
		ended, cancel := context.WithCancelCause(t.Context())
		cancel(broken)
		if _, err := p.Get(ended, "a"); err != broken {
			t.Errorf("with an ended context: %v", err)
		}
		done(t, p, s)
		if _, err := p.Get(t.Context(), "a"); err != ErrClosed {
			t.Errorf("of a closed pool: %v", err)
		}
	})
}

// A load goes on as long as somebody waits for it.
func TestCancelledLoad(t *testing.T) {
	for _, ignores := range []bool{false, true} {
		t.Run(fmt.Sprintf("ignored=%v", ignores), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakes()
				s.ignores = ignores
				p := New[*fake](s, budget(1))
				first, cancelFirst := context.WithCancel(t.Context())
				var all sync.WaitGroup
				all.Go(func() {
					if _, err := p.Get(first, "a"); !errors.Is(err, context.Canceled) {
						t.Errorf("cancelled: %v", err)
					}
				})
				time.Sleep(100 * time.Millisecond)
				all.Go(func() { get(t, p, "a").Release() })
				time.Sleep(100 * time.Millisecond)
				cancelFirst()
				all.Wait()
				if len(s.loads) != 1 {
					t.Errorf("loads %v", s.loads)
				}

				// Nobody waits for b any more, so its load is given up; then somebody does.
				only, cancelOnly := context.WithCancel(t.Context())
				all.Go(func() {
					if _, err := p.Get(only, "b"); err == nil {
						t.Error("a cancelled call has a model")
					}
				})
				time.Sleep(500 * time.Millisecond)
				cancelOnly()
				synctest.Wait()
				get(t, p, "b").Release()
				all.Wait()
				if !ignores && len(s.loads) != 3 || ignores && len(s.loads) != 2 {
					t.Errorf("loads %v", s.loads)
				}
				if status := p.Status(); status.Failed != 0 {
					t.Errorf("a cancelled load counts as failed: %+v", status)
				}
				done(t, p, s)
			})
		})
	}
}

func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, &Options{IdleTimeout: time.Minute})
		a := get(t, p, "a")
		p.Pin("b")
		get(t, p, "b").Release()
		time.Sleep(time.Hour)
		a.Release()
		time.Sleep(59 * time.Second)
		get(t, p, "a").Release() // which begins anew
		time.Sleep(59 * time.Second)
		if len(s.gone()) > 0 {
			t.Errorf("closed too early: %v", s.gone())
		}
		time.Sleep(2 * time.Second)
		if diff := cmp.Diff([]string{"a"}, s.gone()); diff != "" {
			t.Errorf("closed (-want +got):\n%s", diff)
		}
		p.Unpin("b")
		time.Sleep(2 * time.Minute)
		if diff := cmp.Diff([]string{"a", "b"}, s.gone()); diff != "" {
			t.Errorf("closed (-want +got):\n%s", diff)
		}
		if status := p.Status(); status.Expired != 2 || status.Evicted != 0 {
			t.Errorf("status %+v", status)
		}
		done(t, p, s)
	})
}

// Models that are always in use are not kept for ever from one who waits for their memory.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, &Options{Budget: Memory{Host: 1}, Patience: 5 * time.Second})
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range 2 { // a is in use at every moment
			all.Go(func() {
				hold := time.Second + time.Duration(i)*500*time.Millisecond
				for ctx.Err() == nil {
					lease := get(t, p, "a")
					time.Sleep(hold)
					lease.Release()
					hold = time.Second
				}
			})
		}
		time.Sleep(3 * time.Second)
		began := time.Now()
		get(t, p, "b").Release()
		if took := time.Since(began); took < 5*time.Second || took > 8*time.Second {
			t.Errorf("b came after %v", took)
		}
		stop()
		all.Wait()
		done(t, p, s)
	})
}

// 100 goroutines that ask for 5 models under a budget of 2 all get them, and never are
// there more than 2.
func TestManyAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, budget(2))
		var all sync.WaitGroup
		for g := range 100 {
			random := rand.New(rand.NewPCG(1, uint64(g)))
			all.Go(func() {
				for range 20 {
					ctx, cancel := context.WithCancel(t.Context())
					if random.IntN(5) == 0 {
						ctx, cancel = context.WithTimeout(t.Context(), time.Duration(random.IntN(5000))*time.Millisecond)
					}
					lease, err := p.Get(ctx, string(rune('a'+random.IntN(5))))
					if err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("Get: %v", err)
					}
					if err == nil {
						time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
						if lease.Model().closed {
							t.Error("a model was closed in use")
						}
						lease.Release()
					}
					cancel()
				}
			})
		}
		all.Wait()
		if s.peak() > 2 {
			t.Errorf("%d models were in memory", s.peak())
		}
		status := p.Status()
		if status.Waiting > 0 || len(status.Models) > 2 || status.Shared == 0 || status.Evicted == 0 || status.Waited == 0 {
			t.Errorf("status %+v", status)
		}
		done(t, p, s)
	})
}

func TestUseNests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, &Options{Budget: Memory{Host: 1}, Patience: time.Millisecond})
		var other sync.WaitGroup
		err := p.Use(t.Context(), "a", func(ctx context.Context, outer *fake) error {
			other.Go(func() { get(t, p, "b").Release() }) // waits for a's memory
			time.Sleep(time.Second)
			return p.Use(ctx, "a", func(_ context.Context, inner *fake) error {
				if inner != outer {
					t.Error("the inner model is another")
				}
				return errors.New("done")
			})
		})
		if err == nil || err.Error() != "done" {
			t.Errorf("Use: %v", err)
		}
		other.Wait()
		done(t, p, s)
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, budget(2))
		a := get(t, p, "a")
		get(t, p, "b").Release()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := p.Get(t.Context(), "c2"); err != ErrClosed {
				t.Errorf("who waited got %v", err)
			}
		})
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "a not closed yet") {
			t.Errorf("with a model in use: %v", err)
		}
		all.Wait()
		a.Release()
		done(t, p, s)
		if p.Evict(); len(s.gone()) != 2 {
			t.Errorf("closed %v", s.gone())
		}
	})
}

func TestEvict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, nil)
		a := get(t, p, "a")
		get(t, p, "b").Release()
		p.Pin("c")
		get(t, p, "c").Release()
		p.Evict()
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{"b"}, s.gone()); diff != "" {
			t.Errorf("closed (-want +got):\n%s", diff)
		}
		a.Release()
		done(t, p, s)
	})
}

// The memory of a model whose Close panics counts as free.
func TestClosePanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		s.panics = "x@a"
		p := New(s, budget(2))
		get(t, p, "x@a").Release()
		get(t, p, "b2").Release()
		wantNames(t, p, "b2")
		done(t, p, s)
	})
}

func TestMemory(t *testing.T) {
	limits := Memory{Host: 10, "Vulkan0": 5}
	for _, tt := range []struct{ used, need, want Memory }{
		{nil, Memory{Host: 10, "Vulkan0": 5}, Memory{}},
		{nil, Memory{Host: 11}, Memory{Host: 1}},
		{Memory{"Vulkan0": 3}, Memory{Host: 1, "Vulkan0": 3}, Memory{"Vulkan0": 1}},
		{Memory{Host: 20}, Memory{"Vulkan0": 1}, Memory{}}, // asks nothing of what is overdrawn
		{nil, Memory{"Vulkan1": 1 << 40}, Memory{}},        // has no limit
	} {
		if diff := cmp.Diff(tt.want, limits.short(tt.used, tt.need)); diff != "" {
			t.Errorf("%v and %v (-want +got):\n%s", tt.used, tt.need, diff)
		}
	}
}

// A model that has failed is lent to nobody, also where it is pinned, and loaded anew when
// it is asked for and its leases have ended.
func TestFailedModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakes()
		p := New(source, budget(2))
		p.Pin("a")
		first, other := get(t, p, "a"), get(t, p, "b")
		first.Model().broken.Store(true)
		second := make(chan *Lease[*fake])
		go func() { second <- get(t, p, "a") }()
		synctest.Wait()
		if again := get(t, p, "b"); again.Model() != other.Model() {
			t.Error("another model was loaded again")
		} else {
			again.Release()
		}
		first.Release()
		lease := <-second
		if lease.Model() == first.Model() || lease.Model().broken.Load() {
			t.Error("the failed model was lent")
		}
		lease.Model().broken.Store(true) // and nobody waits for it
		lease.Release()
		lease = get(t, p, "a")
		lease.Release()
		lease.Model().broken.Store(true) // while it is idle
		get(t, p, "a").Release()
		other.Release()
		done(t, p, source)
		if gone := source.gone(); len(gone) != 5 || source.most > 2 {
			t.Errorf("closed %v, %d bytes in use", gone, source.most)
		}
	})
}
