package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/cria-lm/cria/internal/peersource"
)

// peerNames are the programs that bench peers builds.
var peerNames = []string{"llama-bench", "llama-server", "llama-batched-bench", "llama-completion"}

// peers are llama.cpp's programs, with their libraries beside them.
type peers struct {
	dir      string
	programs map[string]string // name -> path
}

// peersDir is where bench peers puts the programs.
func peersDir(cache string) string {
	return filepath.Join(cache, "peers", peersource.Release+"-"+runtime.GOOS+"-"+runtime.GOARCH)
}

// findPeers finds the programs in the folder that the user named, or in the
// cache.
func findPeers(named, cache string) (peers, error) {
	if named == "" {
		p, missing := peersIn(peersDir(cache))
		if len(missing) > 0 {
			return p, fmt.Errorf("llama.cpp's programs are not built yet: run go run ./bench peers once, or name a folder with --peers or CRIA_PEERS_DIR")
		}
		return p, nil
	}
	dir, err := filepath.Abs(named)
	if err != nil {
		return peers{}, err
	}
	if _, err := os.Stat(dir); err != nil {
		return peers{}, fmt.Errorf("the folder of the peers: %w", err)
	}
	p, missing := peersIn(dir)
	if len(missing) == len(peerNames) {
		p, missing = peersIn(filepath.Join(dir, "bin")) // of a build folder
	}
	if len(missing) > 0 {
		return p, fmt.Errorf("the folder of the peers, %s, has no %s", dir, strings.Join(missing, ", "))
	}
	return p, nil
}

func peersIn(dir string) (p peers, missing []string) {
	p = peers{dir, map[string]string{}}
	for _, name := range peerNames {
		path := filepath.Join(dir, name)
		if runtime.GOOS == "windows" {
			path += ".exe"
		}
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			missing = append(missing, name)
		}
		p.programs[name] = path
	}
	return p, missing
}
