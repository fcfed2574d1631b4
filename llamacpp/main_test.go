package llamacpp

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/cria-lm/cria/internal/testmodel"
)

// shared is the one model of the package's tests: loading it takes longer than
// most of them.
var shared struct {
	sync.Mutex
	model *LoadedModel
}

func loadShared(t testing.TB) *LoadedModel {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.model == nil {
		testmodel.Model(t) // fetched with its progress visible
		m, err := Load(t.Context(), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		shared.model = m
	}
	return shared.model
}

func TestMain(m *testing.M) {
	if args := os.Getenv(mutationEnv); args != "" {
		if err := loadMutations(args); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if change := os.Getenv(changedEnv); change != "" {
		if err := changeFile(change); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := testmodel.Main(m)
	if shared.model != nil {
		if err := shared.model.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
