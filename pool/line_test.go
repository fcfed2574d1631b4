package pool

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// asks asks for a model and holds it until release is called; it waits in the background.
func asks(t *testing.T, p *Pool[*fake], name string) (release func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		lease, err := p.Get(ctx, name)
		if err != nil {
			return
		}
		<-ctx.Done()
		lease.Release()
	})
	synctest.Wait()
	return func() { cancel(); all.Wait() }
}

// wantAtOnce asks for models that are ready.
func wantAtOnce(t *testing.T, p *Pool[*fake], names ...string) {
	t.Helper()
	for _, name := range names {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		lease, err := p.Get(ctx, name)
		cancel()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		lease.Release()
	}
}

// Who waits for memory keeps nobody from models whose end would not help: pinned ones, those
// that a pinned context keeps, and those on other devices; nor from any others, if pins leave
// too little.
func TestPatienceThatWouldNotHelp(t *testing.T) {
	gpu := Memory{"Vulkan0": 1}
	for _, tt := range []struct {
		name   string
		pinned []string
		there  []string
		ask    string
		shared []string
		kept   []string // back
	}{
		{"pinned", []string{"a", "b"}, []string{"a", "b"}, "c", []string{"a", "b"}, nil},
		{"one is pinned", []string{"a"}, []string{"a", "b"}, "c", []string{"a"}, []string{"b"}},
		{"a pinned one leaves too little", []string{"a"}, []string{"a", "b"}, "c2", []string{"a", "b"}, nil},
		{"a context is pinned", []string{"x@a"}, []string{"x@a"}, "c", []string{"a", "x@a"}, nil},
		{"a model is pinned, a context of it is not", []string{"a"}, []string{"x@a"}, "c", []string{"a"}, []string{"x@a"}},
		{"on another device", nil, []string{"a", "g"}, "h", []string{"a"}, []string{"g"}},
		{"the context of a model on the device", nil, []string{"a", "x@g"}, "h", []string{"a"}, []string{"g", "x@g"}},
		{"the model of a context that is waited for", nil, []string{"a", "b"}, "x@a", []string{"a"}, []string{"b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakes()
				s.needs = map[string]Memory{"g": gpu, "h": gpu}
				p := New(s, &Options{Budget: Memory{Host: 2, "Vulkan0": 1}})
				for _, name := range tt.pinned {
					p.Pin(name)
				}
				var releases []func()
				for _, name := range tt.there {
					releases = append(releases, asks(t, p, name))
				}
				time.Sleep(2 * time.Second) // they are loaded, and had their time
				releases = append(releases, asks(t, p, tt.ask))
				time.Sleep(2 * time.Second)
				wantAtOnce(t, p, tt.shared...)
				for _, name := range tt.kept {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					_, err := p.Get(ctx, name)
					cancel()
					busy := (*BusyError)(nil)
					if !errors.As(err, &busy) || !busy.KeptBack || !slices.Equal(busy.Before, []string{tt.ask}) || busy.InUse != nil {
						t.Errorf("%s: %v", name, err)
					}
					if want := "the model " + name + " is in memory, but was kept back for who waits longer for that memory (" + tt.ask + "): pin it, raise the budget or wait longer: context deadline exceeded"; err != nil && err.Error() != want {
						t.Errorf("error %q, want %q", err, want)
					}
				}
				if tt.kept != nil { // who waits gets a model that is pinned meanwhile
					name := tt.kept[0]
					waiting := p.Status().Waiting
					release := asks(t, p, name)
					p.Pin(name)
					if n := p.Status().Waiting; n != waiting {
						t.Errorf("%d wait for %s, which is pinned", n-waiting, name)
					}
					release()
				}
				for _, release := range releases {
					release()
				}
				done(t, p, s)
			})
		})
	}
}

// Who waits for the memory of one device keeps nobody from that of another, but for what
// its own model needs there.
func TestLineByDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		s.needs = map[string]Memory{"g": {"Vulkan0": 1}, "h": {"Vulkan0": 1, Host: 1}, "i": {"Vulkan0": 1}, "u": {"Vulkan1": 9}}
		p := New(s, &Options{Budget: Memory{Host: 2, "Vulkan0": 1}})
		g := get(t, p, "g")
		h := asks(t, p, "h")
		get(t, p, "u").Release() // of whose device there is no budget
		get(t, p, "a").Release() // beside which h has room
		b := asks(t, p, "b")     // in the place of a, beside which h has room too
		time.Sleep(time.Minute)
		wantNames(t, p, "b", "g", "u")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		busy := (*BusyError)(nil)
		if _, err := p.Get(ctx, "c"); !errors.As(err, &busy) || !slices.Equal(busy.InUse, []string{"b"}) || !slices.Equal(busy.Before, []string{"h"}) {
			t.Errorf("what h needs was taken, or %v", err)
		}
		i := asks(t, p, "i") // behind h
		time.Sleep(time.Minute)
		g.Release()
		time.Sleep(2 * time.Second)
		wantNames(t, p, "b", "h", "u")
		h()
		time.Sleep(2 * time.Second)
		wantNames(t, p, "b", "i", "u")
		b()
		i()
		done(t, p, s)
	})
}

// A model is not closed for one who came after somebody that waits for a context of it. Two
// who wait for contexts of a model that is not there want that once.
func TestLineWithContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		s.needs = map[string]Memory{"g": {"Vulkan0": 1}, "x@a": {"Vulkan0": 1}, "y@a": {"Vulkan0": 1}, "z@a": {Host: 1}}
		p := New(s, &Options{Budget: Memory{Host: 3, "Vulkan0": 1}})
		g := get(t, p, "g")
		get(t, p, "a").Release()
		x := asks(t, p, "x@a")
		b := asks(t, p, "b3") // in the place of a
		time.Sleep(time.Minute)
		wantNames(t, p, "a", "g")
		x()
		time.Sleep(2 * time.Second)
		wantNames(t, p, "b3", "g")
		x, y := asks(t, p, "x@a"), asks(t, p, "y@a") // which wait for a and Vulkan0
		b()
		c := asks(t, p, "c2") // beside which there is room for a
		time.Sleep(3 * time.Second)
		wantNames(t, p, "c2", "g")
		c()
		z := asks(t, p, "z@a") // for which a is loaded
		time.Sleep(3 * time.Second)
		wantNames(t, p, "a", "g", "z@a")
		d := asks(t, p, "d") // there is room, since a is there
		time.Sleep(2 * time.Second)
		wantNames(t, p, "a", "d", "g", "z@a")
		g.Release()
		for _, release := range []func(){x, y, z, d} {
			time.Sleep(2 * time.Second)
			release()
		}
		done(t, p, s)
	})
}

// The error says of each model what it does, and none that has nothing of what is missing.
func TestBusyError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		s.took = time.Minute
		s.needs = map[string]Memory{"g": {"Vulkan0": 1}}
		p := New(s, &Options{Budget: Memory{Host: 5, "Vulkan0": 1}, Patience: time.Hour})
		p.Pin("b")
		for _, name := range []string{"b", "d"} {
			get(t, p, name).Release()
		}
		a, g := get(t, p, "a"), get(t, p, "g")
		e := asks(t, p, "e")
		time.Sleep(time.Second)
		p.Evict() // d
		before := asks(t, p, "f2")
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := p.Get(ctx, "c3")
		want := &BusyError{Name: "c3", Need: Memory{Host: 3}, InUse: []string{"a"}, Pinned: []string{"b"}, Loading: []string{"e"}, Closing: []string{"d"}, Before: []string{"f2"}, Err: context.DeadlineExceeded}
		busy := (*BusyError)(nil)
		if !errors.As(err, &busy) {
			t.Fatal(err)
		}
		if diff := cmp.Diff(*want, *busy, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("error (-want +got):\n%s", diff)
		}
		if want := "no room for the model c3, which needs CPU 3 B, in time (in use: a; pinned: b; loading: e; closing: d; asked for before: f2): release or unpin one, raise the budget or wait longer: context deadline exceeded"; err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
		for _, release := range []func(){before, e, a.Release, g.Release} {
			release()
		}
		done(t, p, s)
	})
}

// 50 goroutines that ask for models of two devices all get them, within the budget of each.
func TestManyAskForDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakes()
		limit := Memory{Host: 4, "Vulkan0": 3}
		s.needs = map[string]Memory{"g": {Host: 1, "Vulkan0": 2}, "h": {Host: 1, "Vulkan0": 3}, "x@g": {"Vulkan0": 1}, "y@g": {Host: 1}, "i": {"Vulkan0": 1}}
		asked := []string{"a", "b3", "g", "h", "i", "x@g", "y@g", "x@a"}
		p := New(s, &Options{Budget: limit})
		var all sync.WaitGroup
		for g := range 50 {
			random := rand.New(rand.NewPCG(3, uint64(g)))
			all.Go(func() {
				for range 20 {
					ctx, cancel := context.WithCancel(t.Context())
					if random.IntN(5) == 0 {
						ctx, cancel = context.WithTimeout(t.Context(), time.Duration(random.IntN(5000))*time.Millisecond)
					}
					lease, err := p.Get(ctx, asked[random.IntN(len(asked))])
					if err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("Get: %v", err)
					}
					if err == nil {
						time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
						lease.Release()
					}
					cancel()
					if used := p.Status().Used; used[Host] > limit[Host] || used["Vulkan0"] > limit["Vulkan0"] {
						t.Errorf("%v are in use", used)
					}
				}
			})
		}
		all.Wait()
		if status := p.Status(); status.Waiting > 0 || status.Evicted == 0 || status.Waited == 0 {
			t.Errorf("status %+v", status)
		}
		done(t, p, s)
	})
}
