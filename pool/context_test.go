package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// names are those of the models in a pool.
func names(p *Pool[*fake]) (list []string) {
	for _, m := range p.Status().Models {
		list = append(list, m.Name)
	}
	return list
}

func wantNames(t *testing.T, p *Pool[*fake], want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, names(p)); diff != "" {
		t.Errorf("in memory (-want +got):\n%s", diff)
	}
}

func wantGone(t *testing.T, s *fakes, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.gone()); diff != "" {
		t.Errorf("closed (-want +got):\n%s", diff)
	}
}

// Contexts of a model share it; its memory counts once.
func TestContextsShareTheirModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, budget(6))
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				lease := get(t, p, []string{"m3", "x@m3", "y2@m3"}[i%3])
				time.Sleep(time.Minute)
				lease.Release()
			})
		}
		time.Sleep(30 * time.Second)
		status := p.Status()
		if status.Used[Host] != 6 || status.Loaded != 3 || s.peak() != 6 {
			t.Errorf("status %+v, at most %d bytes", status, s.peak())
		}
		if m, x := status.Models[0], status.Models[1]; m.Leases != 4+2 || m.Context != "" || x.Context != "m3" || x.Need[Host] != 1 || x.Leases != 4 {
			t.Errorf("models %+v", status.Models)
		}
		all.Wait()
		if diff := cmp.Diff("m3", s.loads[0]); diff != "" || len(s.loads) != 3 {
			t.Errorf("loads %v", s.loads)
		}
		done(t, p, s)
	})
}

// A context and its model come into memory together, or neither does.
func TestContextAndModelAreOneNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, budget(4))
		large := (*TooLargeError)(nil)
		if _, err := p.Get(t.Context(), "x2@m3"); !errors.As(err, &large) || large.Need[Host] != 5 {
			t.Errorf("a context that does not fit beside its model: %v", err)
		}
		var held []*Lease[*fake]
		for _, name := range []string{"a", "b", "c", "d"} {
			held = append(held, get(t, p, name))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		busy := (*BusyError)(nil)
		if _, err := p.Get(ctx, "x@m3"); !errors.As(err, &busy) || busy.Need[Host] != 4 {
			t.Errorf("without room: %v", err)
		}
		var all sync.WaitGroup
		all.Go(func() { get(t, p, "x@m3").Release() })
		for _, lease := range held[:3] {
			lease.Release()
			time.Sleep(time.Minute)
			wantNames(t, p, "a", "b", "c", "d") // there would be room for the model, then, but not for both
		}
		held[3].Release()
		all.Wait()
		wantNames(t, p, "m3", "x@m3")
		done(t, p, s)
	})
}

func TestContextsAreEvictedBeforeTheirModel(t *testing.T) {
	for _, tt := range []struct {
		uses []string // in this order
		ask  string
		gone []string
		left []string
	}{
		{[]string{"x@m3", "a", "b"}, "c", []string{"x@m3"}, []string{"a", "b", "c", "m3"}},
		{[]string{"a", "b", "x@m3"}, "c", []string{"a"}, []string{"b", "c", "m3", "x@m3"}},
		{[]string{"x@m3", "a", "b"}, "c4", []string{"x@m3", "m3"}, []string{"a", "b", "c4"}}, // none but what is needed
		{[]string{"a", "x@m3", "b"}, "c5", []string{"a", "x@m3", "m3"}, []string{"b", "c5"}},
		{[]string{"x@m3", "a", "m3", "b"}, "c2", []string{"x@m3", "a"}, []string{"b", "c2", "m3"}},
		{[]string{"x@m3", "a", "b"}, "y2@m3", []string{"x@m3", "a"}, []string{"b", "m3", "y2@m3"}}, // not its own model
		{[]string{"m3", "a", "b"}, "y2@m3", []string{"a"}, []string{"b", "m3", "y2@m3"}},
	} {
		t.Run(fmt.Sprintf("%s after %s", tt.ask, strings.Join(tt.uses, " ")), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakes()
				p := New[*fake](s, budget(6))
				for _, name := range tt.uses {
					get(t, p, name).Release()
					time.Sleep(time.Second)
				}
				get(t, p, tt.ask).Release()
				gone := s.gone()
				slices.SortStableFunc(gone, func(a, b string) int { return slices.Index(tt.gone, a) - slices.Index(tt.gone, b) })
				if diff := cmp.Diff(tt.gone, gone); diff != "" {
					t.Errorf("closed (-want +got):\n%s", diff)
				}
				wantNames(t, p, tt.left...)
				if status := p.Status(); status.Evicted != len(tt.gone) || s.peak() > 6 {
					t.Errorf("status %+v, at most %d bytes", status, s.peak())
				}
				done(t, p, s)
			})
		})
	}
}

// A model is in use while a context of it is, or is kept.
func TestContextHoldsItsModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, budget(4))
		x := get(t, p, "x@m3")
		wait := func(name string) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			lease, err := p.Get(ctx, name)
			if err == nil {
				lease.Release()
			}
			return err
		}
		busy := (*BusyError)(nil)
		if err := wait("a3"); !errors.As(err, &busy) || !slices.Equal(busy.InUse, []string{"x@m3"}) || busy.Pinned != nil {
			t.Errorf("in the place of a model whose context is in use: %v", err)
		}
		p.Pin("x@m3")
		x.Release()
		if err := wait("a3"); !errors.As(err, &busy) || busy.InUse != nil || !slices.Equal(busy.Pinned, []string{"x@m3"}) {
			t.Errorf("of a model whose context is pinned: %v", err)
		}
		p.Unpin("x@m3")
		p.Pin("m3")
		if err := wait("a3"); !errors.As(err, &busy) || busy.InUse != nil || !slices.Equal(busy.Pinned, []string{"m3"}) {
			t.Errorf("of a pinned model: %v", err)
		}
		if err := wait("a"); err != nil { // in the context's place
			t.Error(err)
		}
		p.Unpin("m3")
		if err := wait("a4"); err != nil {
			t.Error(err)
		}
		done(t, p, s)
	})
}

// What is not made, or not wanted any more, leaves nothing behind; a model that others may
// want stays.
func TestContextFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		broken := errors.New("damaged")
		s.fail = func(name string) error {
			if strings.HasPrefix(name, "broken") {
				return broken
			}
			return nil
		}
		p := New[*fake](s, budget(4))
		for _, tt := range []struct{ name, err string }{
			{"x@broken", "loading the model x@broken: loading the model broken: damaged"},
			{"broken@m3", "loading the model broken@m3: damaged"},
			{"x@unknown", "loading the model unknown: nobody has it"},
			{"x@y@m3", "loading the model x@y@m3: it is a context of y@m3, which is one of m3: name that instead"},
		} {
			load := (*LoadError)(nil)
			if _, err := p.Get(t.Context(), tt.name); !errors.As(err, &load) || err.Error() != tt.err {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		if _, err := p.Get(t.Context(), "panics@m3"); err == nil || !strings.Contains(err.Error(), "no such thing") {
			t.Errorf("panic: %v", err)
		}
		wantNames(t, p, "m3")
		if status := p.Status(); status.Used[Host] != 3 || status.Models[0].State != "idle" {
			t.Errorf("status %+v", status)
		}
		get(t, p, "x@m3").Release()
		done(t, p, s)
	})
}

func TestCancelledContext(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration // a load takes a second
		other string        // that somebody else waits for
		left  []string
		loads int
	}{
		{"while its model is loaded", 500 * time.Millisecond, "", nil, 1},
		{"while it is made", 1500 * time.Millisecond, "", []string{"m"}, 2},
		{"its model is wanted", 500 * time.Millisecond, "m", []string{"m"}, 1},
		{"another context is wanted", 500 * time.Millisecond, "y@m", []string{"m", "y@m"}, 2},
		{"it is wanted", 500 * time.Millisecond, "x@m", []string{"m", "x@m"}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakes()
				p := New[*fake](s, budget(3))
				ctx, cancel := context.WithTimeout(t.Context(), tt.after)
				defer cancel()
				var all sync.WaitGroup
				all.Go(func() {
					if _, err := p.Get(ctx, "x@m"); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("the context: %v", err)
					}
				})
				if tt.other != "" {
					all.Go(func() { get(t, p, tt.other).Release() })
				}
				all.Wait()
				synctest.Wait()
				wantNames(t, p, tt.left...)
				if status := p.Status(); status.Failed != 0 || len(s.loads) != tt.loads || status.Used[Host] != uint64(len(tt.left)) {
					t.Errorf("loads %v, status %+v", s.loads, status)
				}
				get(t, p, "x@m").Release()
				done(t, p, s)
			})
		})
	}
}

// A context that is asked for while its model is on its way out waits for that, and is
// loaded with a new one.
func TestContextOfModelThatEnds(t *testing.T) {
	for _, ignores := range []bool{false, true} {
		t.Run(fmt.Sprintf("ignored=%v", ignores), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakes()
				s.ignores = ignores
				p := New[*fake](s, budget(2))
				get(t, p, "m").Release()
				p.Evict()
				get(t, p, "x@m").Release() // while m is being closed
				p.Evict()
				time.Sleep(time.Minute)
				wantGone(t, s, "m", "x@m", "m")

				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				if _, err := p.Get(ctx, "m"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a cancelled load: %v", err)
				}
				get(t, p, "x@m").Release() // while the load of m is being given up
				wantNames(t, p, "m", "x@m")
				if status := p.Status(); status.Failed != 0 || s.peak() > 2 {
					t.Errorf("status %+v", status)
				}
				done(t, p, s)
			})
		})
	}
}

// A model's time without use counts from when its context was used.
func TestIdleContextExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, &Options{IdleTimeout: time.Minute})
		get(t, p, "x@m").Release()
		time.Sleep(59 * time.Second)
		wantGone(t, s)
		get(t, p, "x@m").Release()
		time.Sleep(59 * time.Second)
		wantGone(t, s)
		time.Sleep(2 * time.Second)
		wantGone(t, s, "x@m", "m")
		get(t, p, "x@m").Release()
		time.Sleep(30 * time.Second)
		m := get(t, p, "m")
		time.Sleep(time.Hour)
		wantGone(t, s, "x@m", "m", "x@m")
		m.Release()
		time.Sleep(2 * time.Minute)
		wantGone(t, s, "x@m", "m", "x@m", "m")
		if status := p.Status(); status.Expired != 4 || status.Evicted != 0 {
			t.Errorf("status %+v", status)
		}
		done(t, p, s)
	})
}

func TestEvictContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, nil)
		for _, name := range []string{"x@m", "y@m", "x@n"} {
			get(t, p, name).Release()
		}
		n := get(t, p, "n")
		p.Evict()
		time.Sleep(50 * time.Millisecond) // m's contexts are being closed
		m := get(t, p, "m")               // which is not, then
		time.Sleep(time.Second)
		wantNames(t, p, "m", "n")
		m.Release()
		get(t, p, "x@m").Release()
		p.Evict()
		time.Sleep(time.Second)
		wantNames(t, p, "n")
		n.Release()
		if status := p.Status(); status.Evicted != 5 {
			t.Errorf("status %+v", status)
		}
		done(t, p, s)
	})
}

// A model that was to be closed after its contexts, and was asked for before they were gone,
// is as any other then.
func TestModelStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, budget(3))
		get(t, p, "x@m").Release()
		p.Evict()
		time.Sleep(50 * time.Millisecond)
		get(t, p, "m").Release()
		wantGone(t, s)
		x := get(t, p, "x@m")
		wantGone(t, s, "x@m")
		time.Sleep(time.Second)
		x.Release()
		used := time.Now()
		time.Sleep(time.Second)
		get(t, p, "a").Release()
		get(t, p, "b").Release() // in the context's place
		wantNames(t, p, "a", "b", "m")
		if m := p.Status().Models[2]; m.State != "idle" || !m.LastUsed.Equal(used) {
			t.Errorf("a model whose context was used at %v: %+v", used, m)
		}
		done(t, p, s)
	})
}

// A model that was to be closed after its contexts, and is pinned before they are gone,
// stays.
func TestPinnedWhileItsContextsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, nil)
		get(t, p, "x@m").Release()
		p.Evict()
		time.Sleep(50 * time.Millisecond)
		p.Pin("m")
		time.Sleep(time.Minute)
		wantNames(t, p, "m")
		p.Unpin("m")
		time.Sleep(time.Minute)
		wantNames(t, p, "m") // the wish was for then
		done(t, p, s)
	})
}

func TestPreloadContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, budget(5))
		if err := p.Preload(t.Context(), "x@m3", "m3", "y@m3", "x@m3"); err != nil {
			t.Error(err)
		}
		wantNames(t, p, "m3", "x@m3", "y@m3")
		large := (*TooLargeError)(nil)
		if err := p.Preload(t.Context(), "m3", "x@m3", "y@m3", "z@m3"); !errors.As(err, &large) || large.Need[Host] != 6 {
			t.Errorf("one too many: %v", err)
		}
		done(t, p, s)
	})
}

// Who waits for a context, and so keeps others from memory, does not keep them from its
// model, which goes nowhere.
func TestPatienceWithContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, budget(2))
		a, b := get(t, p, "a"), get(t, p, "b")
		var all sync.WaitGroup
		all.Go(func() { get(t, p, "x@a").Release() })
		time.Sleep(time.Hour)
		began := time.Now()
		get(t, p, "a").Release()
		if took := time.Since(began); took > 0 {
			t.Errorf("the model came after %v", took)
		}
		b.Release()
		all.Wait()
		a.Release()
		done(t, p, s)
	})
}

func TestCloseWithContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, nil)
		x := get(t, p, "x@m")
		get(t, p, "y@n").Release()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := p.Get(t.Context(), "z@o"); err != ErrClosed {
				t.Errorf("who waited got %v", err)
			}
		})
		time.Sleep(100 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "m, x@m not closed yet") {
			t.Errorf("with a context in use: %v", err)
		}
		all.Wait()
		x.Release()
		done(t, p, s)
		wantGone(t, s, "y@n", "n", "x@m", "m")
	})
}

// 100 goroutines that ask for 2 models and 3 contexts of them, under budgets that hold few
// of them, all get them, some loads fail, some askers leave, and never is there more than
// the budget.
func TestManyAskForContexts(t *testing.T) {
	for _, room := range []uint64{2, 3, 4} {
		t.Run(fmt.Sprint(room), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakes()
				broken := errors.New("damaged")
				var chance sync.Mutex
				dice := rand.New(rand.NewPCG(2, room))
				s.fail = func(string) error {
					chance.Lock()
					defer chance.Unlock()
					if dice.IntN(20) == 0 {
						return broken
					}
					return nil
				}
				p := New[*fake](s, &Options{Budget: Memory{Host: room}, IdleTimeout: 3 * time.Second})
				served := map[string]int{}
				var all sync.WaitGroup
				for g := range 100 {
					random := rand.New(rand.NewPCG(1, uint64(g)))
					all.Go(func() {
						for range 20 {
							name := []string{"a", "b", "x@a", "y@a", "x@b"}[random.IntN(5)]
							ctx, cancel := context.WithCancel(t.Context())
							if random.IntN(5) == 0 {
								ctx, cancel = context.WithTimeout(t.Context(), time.Duration(random.IntN(5000))*time.Millisecond)
							}
							lease, err := p.Get(ctx, name)
							if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, broken) {
								t.Errorf("Get: %v", err)
							}
							if err == nil {
								time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
								if m := lease.Model(); m.closed || m.of != nil && m.of.closed {
									t.Error("a model was closed in use")
								}
								if m := lease.Model(); random.IntN(50) == 0 {
									m.broken.Store(true)
									if m.of != nil {
										m.of.broken.Store(true)
									}
								}
								chance.Lock()
								served[name]++
								chance.Unlock()
								lease.Release()
							}
							cancel()
							if random.IntN(50) == 0 {
								p.Evict()
							}
							time.Sleep(time.Duration(random.IntN(3)) * time.Second)
						}
					})
				}
				all.Wait()
				if s.peak() > int(room) {
					t.Errorf("%d bytes were in memory", s.peak())
				}
				if status := p.Status(); status.Waiting > 0 || status.Evicted == 0 || status.Failed == 0 || len(served) != 5 {
					t.Errorf("served %v, status %+v", served, status)
				}
				done(t, p, s)
			})
		})
	}
}

// What has failed is closed with what depends on it, as soon as nobody uses it, pinned or
// not, and loaded anew when it is asked for.
func TestFailedModelWithContexts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		broken []string // of m3, x@m3 and y@m3, which are in memory
		held   string   // is in use meanwhile, for a minute
		ask    string
		waits  bool // until then
		gone   []string
		left   []string
	}{
		{"all", []string{"m3", "x@m3", "y@m3"}, "", "x@m3", false, []string{"x@m3", "y@m3", "m3"}, []string{"m3", "x@m3"}},
		{"all, the model wanted", []string{"m3", "x@m3", "y@m3"}, "", "m3", false, []string{"x@m3", "y@m3", "m3"}, []string{"m3"}},
		{"all, another context wanted", []string{"m3", "x@m3", "y@m3"}, "", "z@m3", false, []string{"x@m3", "y@m3", "m3"}, []string{"m3", "z@m3"}},
		{"all, the model in use", []string{"m3", "x@m3", "y@m3"}, "m3", "x@m3", true, []string{"x@m3", "y@m3", "m3"}, []string{"m3", "x@m3"}},
		{"all, a context in use", []string{"m3", "x@m3", "y@m3"}, "y@m3", "x@m3", true, []string{"x@m3", "y@m3", "m3"}, []string{"m3", "x@m3"}},
		{"all, a context in use, another wanted", []string{"m3", "x@m3", "y@m3"}, "y@m3", "z@m3", true, []string{"x@m3", "y@m3", "m3"}, []string{"m3", "z@m3"}},
		{"the model", []string{"m3"}, "", "x@m3", false, []string{"x@m3", "y@m3", "m3"}, []string{"m3", "x@m3"}},
		{"the model, a context in use", []string{"m3"}, "x@m3", "m3", true, []string{"y@m3", "x@m3", "m3"}, []string{"m3"}},
		{"a context", []string{"x@m3"}, "", "x@m3", false, []string{"x@m3"}, []string{"m3", "x@m3", "y@m3"}},
		{"a context in use", []string{"x@m3"}, "x@m3", "x@m3", true, []string{"x@m3"}, []string{"m3", "x@m3", "y@m3"}},
		{"a context, another wanted", []string{"x@m3"}, "", "y@m3", false, nil, []string{"m3", "x@m3", "y@m3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakes()
				p := New[*fake](s, budget(5))
				p.Pin("m3")
				all := map[string]*fake{}
				for _, name := range []string{"m3", "x@m3", "y@m3"} {
					lease := get(t, p, name)
					all[name] = lease.Model()
					lease.Release()
				}
				var held *Lease[*fake]
				if tt.held != "" {
					held = get(t, p, tt.held)
				}
				for _, name := range tt.broken {
					all[name].broken.Store(true)
				}
				began := time.Now()
				var asked sync.WaitGroup
				asked.Go(func() {
					lease := get(t, p, tt.ask)
					defer lease.Release()
					if m := lease.Model(); m.Err() != nil || m.of != nil && m.of.Err() != nil {
						t.Error("what has failed was lent")
					}
				})
				time.Sleep(time.Minute)
				if held != nil {
					if held.Model().closed {
						t.Error("what is in use was closed")
					}
					held.Release()
				}
				asked.Wait()
				if waited := time.Since(began) > time.Minute; waited != tt.waits {
					t.Errorf("waited: %v", waited)
				}
				gone := s.gone()
				slices.SortStableFunc(gone, func(a, b string) int { // in any order, but for the model
					return slices.Index(tt.gone, a) - slices.Index(tt.gone, b)
				})
				if diff := cmp.Diff(tt.gone, gone); diff != "" {
					t.Errorf("closed (-want +got):\n%s", diff)
				}
				wantNames(t, p, tt.left...)
				if status := p.Status(); status.Used[Host] != uint64(len(tt.left)-1+3) || s.peak() > 5 || status.Loaded != 3+len(tt.left)-(3-len(tt.gone)) {
					t.Errorf("status %+v, at most %d bytes", status, s.peak())
				}
				p.Unpin("m3")
				done(t, p, s)
			})
		})
	}
}

// Nobody asks for what has failed while it was in use: it goes with its last lease.
func TestFailedModelIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, nil)
		get(t, p, "x@m").Release()
		m, y := get(t, p, "m"), get(t, p, "y@m")
		for _, f := range []*fake{m.Model(), y.Model()} {
			f.broken.Store(true)
		}
		m.Release()
		time.Sleep(time.Second)
		wantNames(t, p, "m", "y@m")
		y.Release()
		time.Sleep(time.Second)
		wantNames(t, p)
		wantGone(t, s, "x@m", "y@m", "m")
		done(t, p, s)
	})
}

// The need of a model that has failed is not that of the one in its place.
func TestFailedModelIsCountedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, budget(5))
		m := get(t, p, "m")
		m.Model().broken.Store(true)
		s.grown = 2
		var asked sync.WaitGroup
		asked.Go(func() { get(t, p, "x@m").Release() })
		time.Sleep(time.Second) // it waits for the model to be released
		m.Release()
		asked.Wait()
		if status := p.Status(); status.Used[Host] != 1+2+1 || status.Models[0].Need[Host] != 1+2 {
			t.Errorf("status %+v", status)
		}
		done(t, p, s)
	})
}

// A model that fails while a context of it is made is not asked for another one.
func TestModelFailsWhileContextIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		p := New[*fake](s, budget(2))
		m := get(t, p, "m")
		m.Release()
		var asked sync.WaitGroup
		asked.Go(func() {
			x := get(t, p, "x@m")
			if x.Model().of == m.Model() {
				t.Error("it is of the failed model")
			}
			x.Release()
		})
		time.Sleep(500 * time.Millisecond)
		m.Model().broken.Store(true)
		asked.Wait()
		wantGone(t, s, "x@m", "m")
		wantNames(t, p, "m", "x@m")
		done(t, p, s)
	})
}
