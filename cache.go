package cria

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/jellydator/ttlcache/v3"
)

// CacheOptions are the settings of [NewCache]. Nil and zero fields mean the
// defaults.
type CacheOptions struct {
	TTL     time.Duration // how long a reply is kept; 0: 300 s
	Entries int           // replies kept at most, least recently used dropped first; 0: 4,096
}

// NewCache returns lm with a response cache in memory in front of it: a request
// that is equal in everything that determines the reply (conversation, prefill,
// constraint, limits and sampling) is answered from the cache, with
// [Usage.Cached] set. Only replies that came to their own end are kept. The
// cache belongs to this one lm; it is safe for concurrent use and owns no
// goroutine. It panics if an option is negative. Requests with tools are not
// cached.
func NewCache(lm LM, opts *CacheOptions) LM {
	if opts == nil {
		opts = &CacheOptions{}
	}
	if opts.TTL < 0 || opts.Entries < 0 {
		panic(fmt.Sprintf("cria: NewCache: negative option in %+v", *opts))
	}
	ttl, entries := opts.TTL, opts.Entries
	if ttl == 0 {
		ttl = 300 * time.Second
	}
	if entries == 0 {
		entries = 4096
	}
	cached := &cachedLM{LM: lm, replies: newReplies[Chunk](ttl, entries)}
	if scorer, ok := lm.(Scorer); ok {
		return &cachedScorer{cached, scorer, newReplies[Scores](ttl, entries)}
	}
	return cached
}

func newReplies[V any](ttl time.Duration, entries int) *ttlcache.Cache[cacheKey, V] {
	return ttlcache.New(
		ttlcache.WithTTL[cacheKey, V](ttl),
		ttlcache.WithCapacity[cacheKey, V](uint64(entries)),
		ttlcache.WithDisableTouchOnHit[cacheKey, V](), // the age of a reply counts, not its last use
	)
}

type cacheKey [sha256.Size]byte

type cachedLM struct {
	LM
	replies *ttlcache.Cache[cacheKey, Chunk] // whole replies
}

type cachedScorer struct {
	*cachedLM
	scorer Scorer
	scores *ttlcache.Cache[cacheKey, Scores] // of the values of the request's output
}

// DefaultSampling keeps the sampling of the LM behind the cache.
func (c *cachedLM) DefaultSampling() Sampling {
	if s, ok := c.LM.(Sampler); ok {
		return s.DefaultSampling()
	}
	return Sampling{}
}

// AdapterFor keeps the say in the format that the LM behind the cache has.
func (c *cachedLM) AdapterFor(format OutputFormat) (Adapter, error) { return adapterFor(c.LM, format) }

func (c *cachedLM) Generate(ctx context.Context, req *Request) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		if len(req.Tools) > 0 {
			c.LM.Generate(ctx, req)(yield)
			return
		}
		key, err := requestKey(req)
		if err != nil {
			yield(Chunk{}, err)
			return
		}
		if item := c.replies.Get(key); item != nil {
			yield(item.Value(), nil)
			return
		}
		var text strings.Builder
		for chunk, err := range c.LM.Generate(ctx, req) {
			text.WriteString(chunk.Text)
			if err == nil && chunk.Finish == FinishStop {
				reply := Chunk{Text: text.String(), Finish: chunk.Finish, Usage: chunk.Usage}
				reply.Usage.Cached = true
				c.replies.Set(key, reply, ttlcache.DefaultTTL)
			}
			if !yield(chunk, err) || err != nil {
				return
			}
		}
	}
}

// Score implements [Scorer]. The request's output says which the replies are.
func (c *cachedScorer) Score(ctx context.Context, req *Request, replies []string) (*Scores, error) {
	key, err := requestKey(req)
	if err != nil {
		return nil, err
	}
	if item := c.scores.Get(key); item != nil {
		s := item.Value()
		return &s, nil
	}
	s, err := c.scorer.Score(ctx, req, replies)
	if err != nil {
		return nil, err
	}
	kept := *s
	kept.Usage.Cached = true
	c.scores.Set(key, kept, ttlcache.DefaultTTL)
	return s, nil
}

// requestKey digests everything that determines a reply.
func requestKey(req *Request) (cacheKey, error) {
	flat := *req
	flat.Chat = Chat{Turns: req.Chat.Messages()}
	data, err := json.Marshal(flat)
	if err != nil {
		return cacheKey{}, fmt.Errorf("making the cache key of a request: %w", err)
	}
	return sha256.Sum256(data), nil
}
