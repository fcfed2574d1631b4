package llama

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"
)

// DefaultPoll is ggml's default for [ThreadPoolParams.Poll].
const DefaultPoll = 50

// maxThreads is GGML_MAX_N_THREADS.
const maxThreads = 512

// ThreadPoolParams configures a [ThreadPool].
type ThreadPoolParams struct {
	Threads int // 1 to 512

	// Poll says how long waiting threads spin before they sleep: 0 not at all,
	// 100 longest. Spinning threads take the processor from others.
	Poll int
}

// cThreadPoolParams is ggml_threadpool_params.
type cThreadPoolParams struct {
	cpuMask   [maxThreads]bool // all false: default affinity
	nThreads  int32
	priority  int32
	poll      uint32
	strictCPU bool
	paused    bool
}

// ThreadPool is the CPU threads that contexts compute with. Without one, ggml
// makes threads for each computation. It belongs to one goroutine at a time, as
// do the contexts it is attached to.
type ThreadPool struct {
	h        uintptr
	attached int // contexts alive
}

// NewThreadPool starts a pool of threads.
func NewThreadPool(p ThreadPoolParams) (*ThreadPool, error) {
	if _, ok := Loaded(); !ok {
		return nil, ErrNotLoaded
	}
	if p.Threads < 1 || p.Threads > maxThreads {
		return nil, fmt.Errorf("llama: a thread pool of %d threads: want 1 to %d", p.Threads, maxThreads)
	}
	if p.Poll < 0 || p.Poll > 100 {
		return nil, fmt.Errorf("llama: thread pool polling %d: want 0 to 100", p.Poll)
	}
	if c.threadPoolNew == 0 || c.threadPoolFree == 0 {
		return nil, errors.New("llama: the CPU backend has no thread pools")
	}
	params := &cThreadPoolParams{nThreads: int32(p.Threads), poll: uint32(p.Poll)}
	h := call1(c.threadPoolNew, uintptr(unsafe.Pointer(params)))
	if h == 0 {
		return nil, fmt.Errorf("llama: a thread pool of %d threads cannot be made", p.Threads)
	}
	return &ThreadPool{h: h}, nil
}

// Free ends the threads. It panics if a context that the pool was attached to is
// alive. A second call does nothing.
func (t *ThreadPool) Free() {
	if t.h == 0 {
		return
	}
	if t.attached > 0 {
		panic("llama: ThreadPool.Free while a context has it")
	}
	call1(c.threadPoolFree, t.h)
	t.h = 0
}

// AttachThreadPool makes the context decode one token with pool and several with
// batch; batch may be nil, for the same pool. The context uses as many threads
// of them as [Context.SetThreads] says. Others may be attached later, but the
// context must be freed before any of them: llama.cpp pauses the pool that it has
// computed with when it goes over to another.
func (x *Context) AttachThreadPool(pool, batch *ThreadPool) {
	if batch == nil {
		batch = pool
	}
	if pool.h == 0 || batch.h == 0 {
		panic("llama: ThreadPool used after Free")
	}
	call4(c.attachThreadPool, x.handle(), pool.h, batch.h, 0)
	for _, p := range []*ThreadPool{pool, batch} {
		if !slices.Contains(x.pools, p) {
			x.pools = append(x.pools, p)
			p.attached++
		}
	}
}
