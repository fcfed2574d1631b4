package hardware

import "slices"

// arena is a region of memory that a graph's tensors are placed in and taken
// from, as ggml's graph allocator does it (ggml-alloc.c): the free block that
// fits best, and beyond the end of all only if none fits. The region is as long as
// it ever had to be.
type arena struct {
	free  []block // by place; the last has no end
	align uint64
	size  uint64 // most that was ever in use
}

type block struct{ at, size uint64 }

func newArena(align uint64) *arena {
	return &arena{free: []block{{0, 1 << 62}}, align: align}
}

// round returns the bytes that a tensor of a size takes.
func (a *arena) round(size uint64) uint64 { return (size + a.align - 1) / a.align * a.align }

// take places a tensor and returns where.
func (a *arena) take(size uint64) uint64 {
	size = a.round(size)
	best := len(a.free) - 1
	for i, b := range a.free[:best] {
		if b.size >= size && (best == len(a.free)-1 || b.size <= a.free[best].size) {
			best = i
		}
	}
	b := &a.free[best]
	at := b.at
	b.at += size
	b.size -= size
	if b.size == 0 {
		a.free = slices.Delete(a.free, best, best+1)
	}
	a.size = max(a.size, at+size)
	return at
}

// give takes a tensor's bytes back, joined with the free blocks beside them. Like
// ggml's, it leaves a tensor without bytes (the states of no sequences, say) as a
// block without bytes, which keeps others apart.
func (a *arena) give(at, size uint64) {
	size = a.round(size)
	for i := range a.free {
		b := &a.free[i]
		switch {
		case b.at+b.size == at:
			b.size += size
			if next := i + 1; next < len(a.free) && b.at+b.size == a.free[next].at {
				b.size += a.free[next].size
				a.free = slices.Delete(a.free, next, next+1)
			}
			return
		case at+size == b.at:
			b.at = at
			b.size += size
			if i > 0 && a.free[i-1].at+a.free[i-1].size == at {
				a.free[i-1].size += b.size
				a.free = slices.Delete(a.free, i, i+1)
			}
			return
		}
	}
	i := 0
	for i < len(a.free) && a.free[i].at < at {
		i++
	}
	a.free = slices.Insert(a.free, i, block{at, size})
}
