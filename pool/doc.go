// Package pool keeps models in memory: each is loaded once, shared by all who use it,
// and closed when its memory is needed for another that is asked for.
//
// A [Pool] has a budget of bytes for each device. Who asks for a model gets a [Lease] of
// it. A model without leases is idle; idle models are closed, the least recently used
// first, when another one needs their memory, or when they were idle for long enough. If
// nothing is idle, who asks waits, in the order of asking, until the context ends. A
// model that is in use is never closed.
//
//	p := pool.New(models, &pool.Options{Budget: pool.Memory{pool.Host: 8 << 30}})
//	lease, err := p.Get(ctx, "smollm2-135m-instruct")
//	if err != nil { ... }
//	defer lease.Release()
//	answer, err := predict.Call(cria.With(ctx, cria.Scope{LM: lease.Model()}), in)
package pool
