package llama_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/cria-lm/cria/internal/testmodel"
	"github.com/cria-lm/cria/llama"
)

// childEnv makes the test binary load the libraries it lists, print the error
// and exit.
const childEnv = "CRIA_TEST_LOAD"

// backendEnv names a library that the child loads twice as a backend.
const backendEnv = "CRIA_TEST_BACKEND"

func TestMain(m *testing.M) {
	if list, ok := os.LookupEnv(childEnv); ok {
		paths := strings.Split(list, "\n")
		fmt.Println(llama.Load(llama.Files{Llama: paths[0], GGML: paths[1], Base: paths[2], CPU: paths[3:]}))
		if path := os.Getenv(backendEnv); path != "" {
			var all sync.WaitGroup
			stop := make(chan struct{})
			for range 4 {
				all.Go(func() { readDevices(stop) })
			}
			for range 2 {
				fmt.Println(llama.LoadBackend(context.Background(), path), len(llama.Devices()))
			}
			close(stop)
			all.Wait()
		}
		os.Exit(0)
	}
	code := testmodel.Main(m)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// readDevices reads ggml's registry until it is told to stop.
func readDevices(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		for _, d := range llama.Devices() {
			if d.Type() != llama.DeviceCPU || d.Backend() != "CPU" || !strings.Contains(llama.PrintSystemInfo(), "CPU") {
				panic("a device that is none")
			}
		}
	}
}
