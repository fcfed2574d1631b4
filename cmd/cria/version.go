package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cria-lm/cria/llama"
)

func newVersion(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of cria, Go and llama.cpp",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return printLine(g.out, versionText())
		},
	}
}

func versionText() string {
	return fmt.Sprintf("cria %s, %s, %s/%s, for llama.cpp v%s",
		moduleVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(llama.AcceptedReleases, " and v"))
}

func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
