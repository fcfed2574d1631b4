// Command cria runs typed programs on local language models.
//
//	cria run "question -> answer" question="What is the capital of France?"
//
// See cria help for everything else.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llamacpp"
)

// Exit codes, as the help of the root command documents them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitUnavailable = 3
	exitReply       = 4
	exitInterrupted = 130 // 128 + SIGINT, as shells do
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, std streams) int {
	root := newRoot(std)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil {
		what := "interrupted"
		if errors.As(err, new(resumableError)) {
			what += "; the same command with --resume goes on"
		}
		fmt.Fprintln(std.err, "cria: "+what)
		return exitInterrupted
	}
	if !errors.Is(err, errRefused) {
		fmt.Fprintln(std.err, "cria: "+message(err))
	}
	return exitCode(err)
}

// message is an error on one line, without the name of its kind where the cause
// says as much.
func message(err error) string {
	text := strings.TrimPrefix(err.Error(), llamacpp.ErrModelNotLoaded.Error()+": ")
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")
}

// usageError marks a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// resumableError marks what was interrupted and can go on.
type resumableError struct{ error }

func (e resumableError) Unwrap() error { return e.error }

// unavailableError marks libraries or a model that cannot be had.
type unavailableError struct{ error }

func (e unavailableError) Unwrap() error { return e.error }

func exitCode(err error) int {
	var usage usageError
	var unavailable unavailableError
	var disk *hub.DiskError
	var syntax *cria.SyntaxError
	var input *cria.InputError
	var parse *cria.ParseError
	switch {
	case errors.As(err, &usage), errors.As(err, &syntax), errors.As(err, &input), errors.Is(err, llamacpp.ErrConfig):
		return exitUsage
	case errors.As(err, &unavailable), errors.As(err, &disk), errors.Is(err, hub.ErrUnknown),
		errors.Is(err, llamacpp.ErrModelNotLoaded), errors.Is(err, llamacpp.ErrBackend):
		return exitUnavailable
	case errors.As(err, &parse):
		return exitReply
	default:
		return exitFailure
	}
}
