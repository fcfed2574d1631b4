package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/llama"
)

const (
	addedTokens  = 8  // few, as the noise of computing grows with them
	addedSamples = 20 // for each pair that was asked for: a p99 needs hundreds
	addedSettle  = settle / 3
)

// added measures what the engine adds to llama.cpp: queue, batch, sampling, text
// and reader. llama.cpp alone is a child: see [session.fresh].
func added(ctx context.Context, s *session) (_ []result, err error) {
	e, w, err := s.engine(ctx)
	if err != nil {
		return nil, err
	}
	bare, err := s.startBare(ctx, e.ContextLength())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bare.close()) }()
	defer s.status("")
	var ours, peer, difference []float64 // milliseconds
	samples := addedSamples * s.options.pairs
	for run := -1; run < samples; run++ {
		if run%addedSamples == 0 {
			s.status("sample %d of %d", run, samples)
		}
		var first, decoded time.Duration
		prompt := w.prompt(seed(6, run, 0), addedTokens)
		sides := []func() error{
			func() error {
				g, err := generate(ctx, e, prompt, 1)
				first = g.first
				return err
			},
			func() (err error) {
				decoded, err = bare.decode(prompt)
				return err
			},
		}
		if run%2 != 0 {
			slices.Reverse(sides)
		}
		for _, side := range sides {
			if err := sleep(ctx, addedSettle); err != nil {
				return nil, err
			}
			if err := side(); err != nil {
				return nil, err
			}
		}
		if run >= 0 {
			ours, peer = append(ours, ms(first)), append(peer, ms(decoded))
			difference = append(difference, ms(first-decoded))
		}
	}
	slices.Sort(ours)
	slices.Sort(peer)
	slices.Sort(difference)
	p50, p99 := quantile(difference, 0.5), quantile(difference, 0.99)
	notes := []string{
		fmt.Sprintf("%d samples; first token p50 %.3f ms, p99 %.3f ms; llama_decode p50 %.3f ms, p99 %.3f ms",
			samples, quantile(ours, 0.5), quantile(ours, 0.99), quantile(peer, 0.5), quantile(peer, 0.99)),
		fmt.Sprintf("how far llama_decode alone spreads, p99 less p50, is %.3f ms: differences of that size are noise",
			quantile(peer, 0.99)-quantile(peer, 0.5)),
	}
	return []result{
		{name: "added-p50", unit: "ms", alone: p50},
		{name: "added-p99", unit: "ms", alone: p99, notes: notes},
	}, nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// bare is a child that computes what it is told with llama.cpp alone.
type bare struct {
	process *process
	in      io.WriteCloser
	out     *bufio.Reader
}

func (s *session) startBare(ctx context.Context, length int) (*bare, error) {
	p, err := s.child(ctx, "bare", "--context", strconv.Itoa(length))
	if err != nil {
		return nil, err
	}
	in, err := p.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.start(); err != nil {
		return nil, err
	}
	return &bare{p, in, bufio.NewReader(out)}, nil
}

// decode returns how long llama_decode took for a prompt, until its logits were
// there.
func (b *bare) decode(prompt []engine.Token) (took time.Duration, err error) {
	if _, err := fmt.Fprintln(b.in, prompt); err != nil {
		return 0, errors.Join(err, b.close())
	}
	if _, err := fmt.Fscanln(b.out, &took); err != nil {
		return 0, errors.Join(err, b.close())
	}
	return took, nil
}

// close ends the child; it may be called more than once.
func (b *bare) close() error {
	_ = b.in.Close() // the child then ends
	return b.process.wait()
}

// decodeBare is the child of added: it reads prompts, a line each, and writes how
// long they took, in nanoseconds. The context is as the engine sets it up.
func decodeBare(ctx context.Context, c *childOptions) error {
	runtime.LockOSThread() // OpenMP's threads stay with the thread that calls
	defer runtime.UnlockOSThread()
	if err := llama.Load(c.files); err != nil {
		return err
	}
	mp := llama.DefaultModelParams()
	mp.NGPULayers = 0
	model, err := llama.LoadModel(c.model, mp, func(float32) bool { return ctx.Err() == nil })
	if err != nil {
		return err
	}
	defer model.Free()
	p := llama.DefaultContextParams()
	p.NCtx = uint32(c.context)
	p.NBatch = uint32(min(engine.DefaultBatchSize, c.context))
	p.NUbatch = min(p.NUbatch, p.NBatch)
	p.NOutputsMax = 1
	p.NThreads, p.NThreadsBatch = int32(c.threads), int32(c.threads)
	llm, err := llama.NewContext(model, p)
	if err != nil {
		return err
	}
	if c.threads > 1 {
		pool, err := llama.NewThreadPool(llama.ThreadPoolParams{Threads: c.threads, Poll: engine.DefaultPoll})
		if err != nil {
			return err
		}
		defer pool.Free()
		llm.AttachThreadPool(pool, nil)
	}
	defer llm.Free() // before its pool
	batch := llama.NewBatch(addedTokens)
	defer batch.Free()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var prompt []engine.Token
		for _, word := range strings.Fields(strings.Trim(lines.Text(), "[]")) {
			t, err := strconv.Atoi(word)
			if err != nil {
				return err
			}
			prompt = append(prompt, engine.Token(t))
		}
		start := time.Now()
		batch.Clear()
		for i, t := range prompt {
			batch.Add(t, llama.Pos(i), 0, i == len(prompt)-1)
		}
		if code := llm.Decode(batch); code != 0 || llm.LogitsIth(-1) == nil {
			return fmt.Errorf("llama_decode failed with code %d", code)
		}
		fmt.Println(int64(time.Since(start)))
		llm.Memory().Clear(false)
	}
	return nil
}
