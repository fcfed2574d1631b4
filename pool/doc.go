// Package pool keeps models in memory: each is loaded once, shared by all who use it,
// and closed when its memory is needed for another that is asked for.
//
// A [Pool] has a budget of bytes for each device. Who asks for a model gets a [Lease] of
// it. A model without leases is idle; idle models are closed, the least recently used
// first, when another one needs their memory, or when they were idle for long enough. If
// nothing is idle, who asks waits, in the order of asking, until the context ends; who waits
// for one device's memory keeps nobody from another's. A model that is in use is never
// closed. Idle models make way also for one for which the machine has no memory, though the
// budget has: others have taken it, or there is no budget.
//
//	p := pool.New(models, &pool.Options{Budget: pool.Memory{pool.Host: 8 << 30}})
//	lease, err := p.Get(ctx, "smollm2-135m-instruct")
//	if err != nil { ... }
//	defer lease.Release()
//	answer, err := predict.Call(cria.With(ctx, cria.Scope{LM: lease.Model()}), in)
//
// # Several contexts of one model
//
// Names can share one model's weights, each with a context of its own: its length, slots,
// threads, adapters and chat template. Here a model, a longer context of it, and one for
// many short questions at once:
//
//	models := &pool.Models{
//		Contexts: map[string]string{"chat": "smollm2-135m-instruct", "classifier": "smollm2-135m-instruct"},
//		Options: func(name string) *llamacpp.Options {
//			switch name {
//			case "chat":
//				return &llamacpp.Options{ContextLength: 8192}
//			case "classifier":
//				return &llamacpp.Options{ContextLength: 512, Slots: 32}
//			}
//			return nil
//		},
//	}
//
// Who asks for a context gets the model loaded too, if it is not in memory. The weights are
// loaded once and counted once, and stay while a context of them is in memory; what a
// context needs beside them is its cache and its buffers.
package pool
