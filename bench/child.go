package main

import (
	"context"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cria-lm/cria/llama"
)

// childOptions is what a child of this program is told: it finds nothing by
// itself, lest that be measured.
type childOptions struct {
	files   llama.Files
	model   string
	threads int
	context int
	prompt  string
	run     int

	snapshot string
	name     string // the model's, for package llamacpp
	llamaDir string
}

// child is this program again, to be measured from outside.
func (s *session) child(ctx context.Context, name string, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args = append([]string{name, "--model", s.model, "--threads", strconv.Itoa(s.options.threads),
		"--llama", s.files.Llama, "--ggml", s.files.GGML, "--base", s.files.Base,
		"--cpu", strings.Join(s.files.CPU, string(os.PathListSeparator))}, args...)
	return newProcess(ctx, self, args...), nil
}

// children are the commands that child runs; they are not shown.
func children() []*cobra.Command {
	var all []*cobra.Command
	for name, f := range map[string]func(context.Context, *childOptions) error{
		"first-answer": firstAnswer,
		"first-token":  firstToken,
		"peak-memory":  peakMemoryOfOurs,
		"prefix":       firstTokenBehindPrefix,
	} {
		c, cpu := &childOptions{}, ""
		cmd := &cobra.Command{Use: name, Hidden: true, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			if cpu != "" {
				c.files.CPU = strings.Split(cpu, string(os.PathListSeparator))
			}
			return f(cmd.Context(), c)
		}}
		flags := cmd.Flags()
		flags.StringVar(&c.files.Llama, "llama", "", "")
		flags.StringVar(&c.files.GGML, "ggml", "", "")
		flags.StringVar(&c.files.Base, "base", "", "")
		flags.StringVar(&cpu, "cpu", "", "")
		flags.StringVar(&c.model, "model", "", "")
		flags.IntVar(&c.threads, "threads", 0, "")
		flags.IntVar(&c.context, "context", 0, "")
		flags.StringVar(&c.prompt, "prompt", "", "")
		flags.IntVar(&c.run, "run", 0, "")
		flags.StringVar(&c.snapshot, "snapshot", "", "")
		flags.StringVar(&c.name, "name", "", "")
		flags.StringVar(&c.llamaDir, "llama-dir", "", "")
		all = append(all, cmd)
	}
	return all
}
