package engine

import (
	"errors"
	"fmt"
)

// ErrNotFinite is returned for an input whose embedding has a NaN or an infinite
// number. The same input would fail again.
var ErrNotFinite = errors.New("engine: the model computed an embedding that is not finite")

// InputTooLongError says that an input has more tokens than an [Embedder]
// computes at once.
type InputTooLongError struct {
	Index   int  // of the input
	Length  int  // in tokens
	AtLeast bool // Length is a lower bound: the text is so long that it was not tokenized
	Limit   int  // [Embedder.MaxLength]
}

func (e *InputTooLongError) Error() string {
	least := ""
	if e.AtLeast {
		least = "at least "
	}
	return fmt.Sprintf("engine: inputs[%d] has %s%d tokens, an input may have %d: %d too many", e.Index, least, e.Length, e.Limit, e.Length-e.Limit)
}
