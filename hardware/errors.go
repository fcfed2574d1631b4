package hardware

import (
	"fmt"

	"github.com/dustin/go-humanize"
)

// A FitError says that a model has no place on a machine, even in the smallest way that
// was allowed.
type FitError struct {
	Model         string
	ContextLength int    // of the smallest way
	CacheLength   int    // of it, in tokens
	Asked         bool   // for that context or that cache, which could be smaller otherwise
	Need          uint64 // bytes of main memory it takes
	Free          uint64 // bytes of main memory for it
	Limit         uint64 // the control group's limit, if it is what binds; else 0
	Most          uint64 // bytes of main memory that there would be for it with nothing else running
}

func (e *FitError) Error() string {
	more := ""
	switch {
	case e.Limit > 0:
		more = "raise the container's memory limit (now " + humanize.IBytes(e.Limit) + "), or "
	case e.Need <= e.Most:
		more = "close other programs, or "
	}
	if e.Asked {
		more += "ask for a shorter context or cache, or "
	}
	cache := ""
	if e.CacheLength > e.ContextLength {
		cache = fmt.Sprintf(" and %d in the cache", e.CacheLength)
	}
	return fmt.Sprintf("%s does not fit: with a context of %d tokens%s it takes %s of memory, and %s are free for it: %stake a smaller model or quantization",
		e.Model, e.ContextLength, cache, humanize.IBytes(e.Need), humanize.IBytes(e.Free), more)
}

// A RequestError says that a [Request] asks for what there is not.
type RequestError struct {
	Field  string // of Request
	Reason string
}

func (e *RequestError) Error() string { return e.Field + ": " + e.Reason }

// An ExhaustedError says that there is no smaller plan: context and layers are as small
// as they may be.
type ExhaustedError struct {
	Model         string
	ContextLength int // of the last plan
	GPULayers     int // of the last plan: not 0 if a GPU was asked for
}

func (e *ExhaustedError) Error() string {
	where := "on the CPU"
	if e.GPULayers > 0 {
		where = fmt.Sprintf("with %d of its layers on the GPU that was asked for", e.GPULayers)
	}
	return fmt.Sprintf("there is no smaller way to load %s than %s and a context of %d tokens: close other programs, ask for less, or take a smaller model or quantization",
		e.Model, where, e.ContextLength)
}
