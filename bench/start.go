package main

import (
	"context"
	"os"
	"strconv"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/llama"
)

const (
	startTokens  = 32
	startOutput  = 4    // more than one, so that the first is not written at the end only
	startContext = 1024 // cells of the KV cache on both sides, which take time to make
)

// startup measures milliseconds. Ours is this program again, as a child that
// does what llama-completion does: load, tokenize, generate, print.
func startup(ctx context.Context, s *session) ([]result, error) {
	_, w, err := s.engine(ctx)
	if err != nil {
		return nil, err
	}
	prompt, err := w.text(seed(7, 0, 0), startTokens)
	if err != nil {
		return nil, err
	}
	pairs, err := s.pairs(ctx,
		func(ctx context.Context, _ int) (float64, error) {
			p, err := s.child(ctx, "first-token", "--context", strconv.Itoa(startContext), "--prompt", prompt)
			if err != nil {
				return 0, err
			}
			took, err := p.firstByte()
			return ms(took), err
		},
		s.completion(prompt))
	return []result{{name: "start", unit: "ms", pairs: pairs}}, err
}

// completion is the side of llama-completion: milliseconds to its first output.
func (s *session) completion(prompt string) side {
	threads := strconv.Itoa(s.options.threads)
	return func(ctx context.Context, _ int) (float64, error) {
		took, err := s.peer(ctx, "llama-completion", "-m", s.model, "-t", threads, "-tb", threads, "-c", strconv.Itoa(startContext),
			"-n", strconv.Itoa(startOutput), "--temp", "0", "--ignore-eos", "--no-warmup", "--offline",
			"-no-cnv", "--no-display-prompt", "-p", prompt).firstByte()
		return ms(took), err
	}
}

// firstToken is the child of startup.
func firstToken(ctx context.Context, c *childOptions) error {
	if err := llama.Load(c.files); err != nil {
		return err
	}
	e, err := engine.Load(ctx, c.model, &engine.Options{Threads: c.threads, FixedThreads: true, ContextLength: c.context})
	if err != nil {
		return err
	}
	defer e.Close()
	prompt, err := e.Vocab().Encode(c.prompt)
	if err != nil {
		return err
	}
	if e.Vocab().AddBOS() {
		prompt = append([]engine.Token{e.Vocab().BOS()}, prompt...)
	}
	req := &engine.Request{Prompt: prompt, MaxTokens: startOutput, Matcher: endless{e.Vocab()}}
	for chunk, err := range e.Generate(ctx, req) {
		if err != nil {
			return err
		}
		if _, err := os.Stdout.WriteString(chunk.Text); err != nil {
			return err
		}
	}
	return nil
}
