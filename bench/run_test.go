package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cria-lm/cria/engine"
)

func TestRun(t *testing.T) {
	t.Setenv("CRIA_PEERS_DIR", "")
	t.Setenv("CRIA_CACHE_DIR", t.TempDir())
	empty := t.TempDir()
	for _, test := range []struct {
		name string
		args []string
		code int
		out  string
		errs string
	}{
		{"the list", nil, 0, "tokens/s of one stream", ""},
		{"help", []string{"--help"}, 0, "BENCH <name> ours=<x>", ""},
		{"unknown", []string{"speed"}, 1, "", `no figure "speed"`},
		{"no pairs", []string{"decode", "--pairs", "0"}, 1, "", "--pairs 0 is not in 1"},
		{"no threads", []string{"decode", "-t", "0"}, 1, "", "--threads 0 is not in 1"},
		{"not built", []string{"decode"}, 1, "", "go run ./bench peers once"},
		{"empty folder", []string{"decode", "--peers", empty}, 1, "", "has no llama-bench, llama-server, llama-batched-bench, llama-completion"},
		{"no folder", []string{"peers", "--peers", filepath.Join(empty, "none")}, 1, "", "the folder of the peers"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if code := run(t.Context(), test.args, &out, &errs); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !strings.Contains(out.String(), test.out) {
				t.Errorf("output %q, want %q in it", out.String(), test.out)
			}
			if !strings.Contains(errs.String(), test.errs) {
				t.Errorf("errors %q, want %q in them", errs.String(), test.errs)
			}
		})
	}
}

// fakePeers makes files with the names of the peers.
func fakePeers(t *testing.T, dir string, names ...string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if runtime.GOOS == "windows" {
			name += ".exe"
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindPeers(t *testing.T) {
	root := t.TempDir()
	whole, build, part, cache := filepath.Join(root, "whole"), filepath.Join(root, "build"), filepath.Join(root, "part"), filepath.Join(root, "cache")
	fakePeers(t, whole, peerNames...)
	fakePeers(t, filepath.Join(build, "bin"), peerNames...)
	fakePeers(t, part, peerNames[1:]...)
	fakePeers(t, peersDir(cache), peerNames...)
	for _, test := range []struct{ name, named, cache, dir, err string }{
		{"a folder", whole, "", whole, ""},
		{"a build folder", build, "", filepath.Join(build, "bin"), ""},
		{"the cache", "", cache, peersDir(cache), ""},
		{"a folder goes first", whole, cache, whole, ""},
		{"incomplete", part, cache, "", "has no llama-bench"},
		{"nothing", "", root, "", "not built yet"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := findPeers(test.named, test.cache)
			wantError(t, err, test.err)
			if err == nil && p.dir != test.dir {
				t.Errorf("folder %s, want %s", p.dir, test.dir)
			}
		})
	}
}

func TestFindTools(t *testing.T) {
	for _, test := range []struct{ name, goos, have, cxx, err string }{
		{"all", "linux", "npm git cmake c++", "", ""},
		{"another compiler", "linux", "npm git cmake clang++", "", ""},
		{"a named compiler", "linux", "npm git cmake my-c++", "my-c++", ""},
		{"no git", "linux", "npm cmake c++", "", "needs git, which"},
		{"no compiler", "linux", "npm git cmake", "", "needs a C++ compiler (g++ or clang++), which"},
		{"cmake finds the compiler", "windows", "npm git cmake", "", ""},
		{"nothing", "linux", "", "", "needs npm (it comes with Node.js) and git and cmake and a C++ compiler"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := findTools(test.goos, func(name string) (string, error) {
				for have := range strings.FieldsSeq(test.have) {
					if have == name {
						return "/tools/" + name, nil
					}
				}
				return "", errors.New("not found")
			}, test.cxx)
			wantError(t, err, test.err)
		})
	}
}

// Pairs take turns, the first does not count, and slow runs get fewer.
func TestPairs(t *testing.T) {
	for _, test := range []struct {
		name  string
		pairs int
		took  time.Duration
		want  int
		order string
	}{
		{"as asked", 3, time.Second, 3, "po" + "op" + "po" + "op"},
		{"slow", 15, slowRun + time.Second, slowPairs, "po" + "op" + "po" + "op" + "po" + "op" + "po"},
		{"slow, but few", 2, slowRun + time.Second, 2, "po" + "op" + "po"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				order := ""
				side := func(name string, value float64) side {
					return func(ctx context.Context, run int) (float64, error) {
						order += name
						return value + float64(run), sleep(ctx, test.took)
					}
				}
				s := &session{options: &options{pairs: test.pairs}}
				got, err := s.pairs(t.Context(), side("o", 10), side("p", 20))
				if err != nil || len(got) != test.want {
					t.Fatalf("%d pairs, %v; want %d", len(got), err, test.want)
				}
				if got[0] != (pair{10, 20}) {
					t.Errorf("first pair %v, want that of run 0", got[0])
				}
				if order != test.order {
					t.Errorf("order %q, want %q", order, test.order)
				}
			})
		})
	}
}

func TestPairsErrors(t *testing.T) {
	broken := errors.New("broken")
	good := func(context.Context, int) (float64, error) { return 1, nil }
	for _, test := range []struct {
		name string
		peer side
		err  string
	}{
		{"a side fails", func(context.Context, int) (float64, error) { return 0, broken }, "peer: broken"},
		{"nothing measured", func(context.Context, int) (float64, error) { return 0, nil }, "peer: measured 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &session{options: &options{pairs: 1}}
			_, err := s.pairs(t.Context(), good, test.peer)
			wantError(t, err, test.err)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &session{options: &options{pairs: 1}}
	if _, err := s.pairs(ctx, good, good); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after a cancellation", err)
	}
}

func TestAtOnce(t *testing.T) {
	broken := errors.New("broken")
	prompts := [][]engine.Token{{0}, {1}, {2}}
	err := atOnce(t.Context(), prompts, func(ctx context.Context, p []engine.Token) error {
		if p[0] == 1 {
			return broken
		}
		<-ctx.Done() // the others are cancelled
		return ctx.Err()
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the call that failed", err)
	}
	if err := atOnce(t.Context(), prompts, func(context.Context, []engine.Token) error { return nil }); err != nil {
		t.Errorf("error %v, want none", err)
	}
}
