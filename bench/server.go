package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/cria-lm/cria/engine"
)

// server is a running llama-server.
type server struct {
	process *process
	stop    func() // ends it and waits for its end
	url     string
	client  *http.Client
}

const (
	readyTimeout = 2 * time.Minute
	readyPoll    = 50 * time.Millisecond
	maxReply     = 16 << 20
)

// startServer starts llama-server as it ships, but for the number of threads
// and of slots and the arguments given, and waits until it answers.
func (s *session) startServer(ctx context.Context, args ...string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	threads := strconv.Itoa(s.options.threads)
	args = append([]string{"-m", s.model, "--host", "127.0.0.1", "--port", port, "--offline",
		"-t", threads, "-tb", threads, "-np", strconv.Itoa(clients)}, args...)
	ctx, cancel := context.WithCancel(ctx)
	p := s.peer(ctx, "llama-server", args...)
	if err := p.start(); err != nil {
		cancel()
		return nil, fmt.Errorf("llama-server: %w", err)
	}
	v := &server{process: p, url: "http://127.0.0.1:" + port}
	// No proxy: the environment's may not know that this is our own machine.
	v.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	v.stop = func() {
		cancel()
		<-p.ended
		v.client.CloseIdleConnections()
	}
	if err := v.ready(ctx); err != nil {
		v.stop()
		return nil, err
	}
	return v, nil
}

// freePort asks the system for a port that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// ready polls /health until the model is loaded.
func (v *server) ready(ctx context.Context) error {
	late := fmt.Errorf("llama-server was not ready after %v", readyTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, late)
	defer cancel()
	for {
		if _, err := v.do(ctx, http.MethodGet, "/health", nil); err == nil {
			return nil
		}
		select {
		case <-v.process.ended:
			return fmt.Errorf("llama-server: %w: %s", errEnded, v.process.said.last(3))
		default:
		}
		if err := sleep(ctx, readyPoll); err == late {
			return fmt.Errorf("%w: %s", late, v.process.said.last(3))
		} else if err != nil {
			return err
		}
	}
}

// complete lets the server generate n tokens, greedily and without end tokens.
func (v *server) complete(ctx context.Context, prompt []engine.Token, n int) error {
	body, err := json.Marshal(map[string]any{
		"prompt": prompt, "n_predict": n, "temperature": 0, "ignore_eos": true, "cache_prompt": true,
	})
	if err != nil {
		return err
	}
	reply, err := v.do(ctx, http.MethodPost, "/completion", body)
	if err != nil {
		return err
	}
	return checkCompletion(reply, len(prompt), n)
}

// checkCompletion makes sure that the server did the work that is compared.
func checkCompletion(reply []byte, prompt, n int) error {
	var got struct {
		Generated *int `json:"tokens_predicted"`
		Truncated bool `json:"truncated"`
		Timings   struct {
			Computed int `json:"prompt_n"`
			Cached   int `json:"cache_n"`
		} `json:"timings"`
	}
	if err := json.Unmarshal(reply, &got); err != nil || got.Generated == nil {
		return fmt.Errorf("llama-server did not answer with a completion: %.200q", reply)
	}
	if *got.Generated != n || got.Truncated {
		return fmt.Errorf("llama-server generated %d tokens instead of %d (prompt cut off: %v)", *got.Generated, n, got.Truncated)
	}
	if seen := got.Timings.Computed + got.Timings.Cached; seen != prompt {
		return fmt.Errorf("llama-server saw a prompt of %d tokens instead of %d", seen, prompt)
	}
	return nil
}

func (v *server) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, v.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := v.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("llama-server: %w: %s", err, v.process.said.last(3))
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, fmt.Errorf("llama-server: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("llama-server answers %s: %.200s", resp.Status, reply)
	}
	return reply, nil
}

// completion is what is used of llama-server's answer.
type completion struct {
	Content string
	Timings struct {
		Predicted float64 `json:"predicted_ms"`
	}
}

// constrained lets the server generate by a JSON Schema.
func (v *server) constrained(ctx context.Context, prompt, schema string, n int) (c completion, err error) {
	body, err := json.Marshal(map[string]any{
		"prompt": prompt, "n_predict": n, "temperature": 0, "cache_prompt": true, "json_schema": json.RawMessage(schema),
	})
	if err != nil {
		return c, err
	}
	reply, err := v.do(ctx, http.MethodPost, "/completion", body)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(reply, &c); err != nil {
		return c, fmt.Errorf("llama-server did not answer with a completion: %.200q", reply)
	}
	return c, nil
}
