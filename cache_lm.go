package cria

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Identifier is an [LM] that can say what it is.
type Identifier interface {
	// Identity is a digest, or another text, of everything but the request that
	// determines a reply: the model's weights, how it is asked and what it does where a
	// request leaves something open. LMs with the same identity share what a [Cache]
	// keeps, those of other processes too. "" is an LM that cannot say: as with one that
	// is no Identifier, its replies are kept for it alone and in memory.
	Identity() string
}

// LM returns lm with the cache in front of it, for use where no [Scope] can carry the
// cache. It scores, and has a sampling of its own, if lm does.
func (c *Cache) LM(lm LM) LM {
	cached := &cachedLM{cache: c, lm: lm}
	scorer, scores := lm.(Scorer)
	sampler, samples := lm.(Sampler)
	switch {
	case scores && samples:
		return struct {
			*cachedScorer
			Sampler
		}{&cachedScorer{cached, scorer}, sampler}
	case scores:
		return &cachedScorer{cached, scorer}
	case samples:
		return struct {
			*cachedLM
			Sampler
		}{cached, sampler}
	default:
		return cached
	}
}

// before is LM for an LM of a scope: if that has this cache already it keeps it, and one
// that could not be known again is not cached.
func (c *Cache) before(lm LM) LM {
	if c == nil {
		return lm
	}
	if has, ok := lm.(interface{ behind() *Cache }); ok && has.behind() == c {
		return lm
	}
	if _, ok := lm.(Identifier); !ok && !reflect.ValueOf(lm).Comparable() {
		return lm
	}
	return c.LM(lm)
}

// cachedLM is an LM behind a cache.
type cachedLM struct {
	cache *Cache
	lm    LM
}

func (w *cachedLM) behind() *Cache { return w.cache }

// Identity keeps that of the LM behind the cache.
func (w *cachedLM) Identity() string {
	if known, ok := w.lm.(Identifier); ok {
		return known.Identity()
	}
	return ""
}

// Describe implements [Describer] if the LM behind the cache does.
func (w *cachedLM) Describe() map[string]string { return partsOf(w.lm) }

// ReadsImages implements [ImageReader] if the LM behind the cache does.
func (w *cachedLM) ReadsImages() bool { return readsImages(w.lm) }

// AdapterFor keeps the say in the format that the LM behind the cache has.
func (w *cachedLM) AdapterFor(format OutputFormat) (Adapter, error) { return adapterFor(w.lm, format) }

// LoRAs implements [Adapted] if the LM behind the cache does.
func (w *cachedLM) LoRAs() map[string]string { return lorasOf(w.lm) }

// identityFor is the LM's identity with that of the adapters that a request has.
func (w *cachedLM) identityFor(req *Request) string {
	model := w.Identity()
	if model == "" || len(req.LoRA) == 0 {
		return model
	}
	known := w.LoRAs()
	for _, l := range req.LoRA {
		if known[l.Name] == "" {
			return ""
		}
		model += " LoRA " + known[l.Name]
	}
	return model
}

// maxInstances is how many LMs without an identity are known at once. One that was
// forgotten begins anew.
const maxInstances = 256

// query returns what the cache is asked about a request; ok is false if it is not asked.
func (w *cachedLM) query(req *Request, replies []string) (q query, ok bool, err error) {
	if req == nil || req.CachePolicy == CacheOff {
		return q, false, nil
	}
	if err := req.CachePolicy.Validate(); err != nil {
		return q, false, err
	}
	model := w.identityFor(req)
	q.disk = model != ""
	if q.disk {
		model = "model " + model
	} else {
		model = "instance " + strconv.FormatUint(w.instance(), 10)
	}
	q.keep = req.CachePolicy != CacheReadOnly
	q.key, ok = requestKey(model, req, replies)
	return q, ok, nil
}

// instance is the number of an LM without an identity.
func (w *cachedLM) instance() uint64 {
	var lm any = w.lm
	if !reflect.ValueOf(lm).Comparable() {
		lm = w
	}
	item, _ := w.cache.instances.GetOrSetFunc(lm, func() uint64 { return w.cache.last.Add(1) })
	return item.Value()
}

// Generate implements [LM].
func (w *cachedLM) Generate(ctx context.Context, req *Request) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		q, ok, err := w.query(req, nil)
		if err != nil {
			yield(Chunk{}, err)
			return
		}
		if !ok {
			w.lm.Generate(ctx, req)(yield)
			return
		}
		q.compute = func(ctx context.Context, emit func(Chunk) bool) (*cacheEntry, error) {
			return generateEntry(w.lm.Generate(ctx, req), emit)
		}
		stopped := false
		_, err = w.cache.answer(ctx, q, func(c Chunk) bool {
			stopped = !yield(c, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(Chunk{}, err)
		}
	}
}

// generateEntry emits a reply and returns what is to be kept of it; nil is nothing.
func generateEntry(reply iter.Seq2[Chunk, error], emit func(Chunk) bool) (e *cacheEntry, err error) {
	var text strings.Builder
	for chunk, err := range reply {
		if err != nil {
			return nil, err
		}
		text.WriteString(chunk.Text)
		if chunk.Finish == FinishStop {
			e = &cacheEntry{text: text.String(), usage: chunk.Usage, made: time.Now()}
		}
		if !emit(chunk) && chunk.Finish == "" {
			return nil, nil
		}
	}
	return e, nil
}

// cachedScorer is a Scorer behind a cache.
type cachedScorer struct {
	*cachedLM
	scorer Scorer
}

// Score implements [Scorer].
func (w *cachedScorer) Score(ctx context.Context, req *Request, replies []string) (*Scores, error) {
	q, ok, err := w.query(req, append([]string{}, replies...)) // not nil
	if err != nil {
		return nil, err
	}
	if !ok {
		return w.scorer.Score(ctx, req, replies)
	}
	q.compute = func(ctx context.Context, _ func(Chunk) bool) (*cacheEntry, error) {
		s, err := w.scorer.Score(ctx, req, replies)
		if err != nil {
			return nil, err
		}
		return &cacheEntry{logprobs: slices.Clone(s.Logprobs), usage: s.Usage, made: time.Now()}, nil
	}
	e, err := w.cache.answer(ctx, q, func(Chunk) bool { return true })
	if err != nil {
		return nil, err
	}
	return &Scores{Logprobs: slices.Clone(e.logprobs), Usage: e.usage}, nil
}

// identify fills in what tells the requests of a scope apart from others.
func (s Scope) identify(req *Request) error {
	if err := s.CachePolicy.Validate(); err != nil {
		return fmt.Errorf("scope: %w", err)
	}
	req.CachePolicy, req.Salt, req.Rollout = s.CachePolicy, s.Salt, s.Rollout
	if s.attempt {
		req.Sampling = attemptSampling(req.Sampling, s.Rollout)
	}
	if at := req.Sampling; s.Rollout != 0 && at != nil && at.Temperature > 0 && at.Seed == nil {
		seeded := *at
		seeded.Seed = new(uint32(s.Rollout) ^ uint32(uint64(s.Rollout)>>32))
		req.Sampling = &seeded
	}
	return nil
}
