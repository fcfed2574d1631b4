package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cria-lm/cria/hub"
)

// streams are the three standard streams.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// globals are the flags that every command has.
type globals struct {
	streams
	cacheDir string
	llamaDir string
	offline  bool
	accept   []string
	quiet    bool
	verbose  bool
}

func newRoot(std streams) *cobra.Command {
	g := &globals{streams: std}
	root := &cobra.Command{
		Use:   "cria",
		Short: "Typed programs on local language models",
		Long: `Cria runs typed programs on local language models, inside this process: no
server, no Python, no account. What a program needs (llama.cpp's libraries and a
model) is fetched once, verified, and kept in the user's cache directory.

  cria run "question -> answer" question="What is the capital of France?"

Answers go to standard output, everything else to standard error.

Exit codes:
  0    success
  1    the call failed, or records of a batch did
  2    the command line is wrong: flags, signature, inputs
  3    the libraries or the model could not be fetched or loaded
  4    the model's reply does not have the declared outputs
  130  interrupted

Environment:
  CRIA_CACHE_DIR       where downloads are kept
  CRIA_REPLIES_DIR     where replies are kept (default: replies in the folder above)
  CRIA_LLAMA_DIR       a folder with llama.cpp libraries of your own
  CRIA_OFFLINE=1       fetch nothing
  CRIA_ACCEPT_LICENSE  models or licences whose terms you accept, with commas
  HF_TOKEN             for private and gated models on Hugging Face
  HF_ENDPOINT          a mirror of Hugging Face
  CRIA_LLAMA_RELEASES  a mirror of llama.cpp's release archives`,
		Version:       versionText(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if strings.Contains(err.Error(), "->") {
			err = fmt.Errorf("%w (write -- before a signature that begins with ->)", err)
		}
		return usageError{err}
	})

	flags := root.PersistentFlags()
	flags.StringVar(&g.cacheDir, "cache-dir", "", "where downloads are kept (default: CRIA_CACHE_DIR, then the user's cache directory)")
	flags.StringVar(&g.llamaDir, "llama-dir", "", "folder with llama.cpp libraries to use instead of fetched ones")
	flags.BoolVar(&g.offline, "offline", false, "fetch nothing: fail if something is missing")
	flags.StringSliceVar(&g.accept, "accept-license", nil, "models or licences whose terms you accept")
	flags.BoolVarP(&g.quiet, "quiet", "q", false, "show no progress")
	flags.BoolVarP(&g.verbose, "verbose", "v", false, "log what happens, llama.cpp's own log included")

	root.AddCommand(newRun(g), newBatch(g), newPull(g), newGrammar(g), newModels(g), newRemove(g), newCache(g), newDoctor(g), newVersion(g))
	checkArgs(root)
	return root
}

// checkArgs makes what the commands say of their arguments mistakes in the command
// line.
func checkArgs(c *cobra.Command) {
	if args := c.Args; args != nil {
		c.Args = func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		checkArgs(sub)
	}
}

// knownCommand is the root's check of its arguments: whatever stands there is no
// command.
func knownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see cria help"
	near := root.SuggestionsFor(args[0])
	for _, c := range root.Commands() {
		if slices.Contains(c.SuggestFor, args[0]) {
			near = []string{c.Name()} // another tool's word for it, not a slip
		}
	}
	if len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return fmt.Errorf("unknown command %q; %s", args[0], hint)
}

// hubOptions are the global flags as the hub takes them.
func (g *globals) hubOptions() *hub.Options {
	return &hub.Options{
		CacheDir:      g.cacheDir,
		LlamaDir:      g.llamaDir,
		Offline:       g.offline,
		AcceptLicense: g.accept,
		Progress:      g.progress(),
		Logger:        g.logger(),
	}
}

func (g *globals) hub() (*hub.Hub, error) {
	h, err := hub.New(g.hubOptions())
	if err != nil {
		return nil, usageError{err}
	}
	return h, nil
}

func (g *globals) progress() hub.Progress {
	if g.quiet {
		return nil
	}
	return hub.TerminalProgress(g.err, isTerminal(g.err))
}

// logger returns nil, which logs nothing, unless --verbose was given.
func (g *globals) logger() *slog.Logger {
	if !g.verbose {
		return nil
	}
	return slog.New(slog.NewTextHandler(g.err, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
