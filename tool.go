package cria

import (
	"context"
	"encoding/json"
)

// Tool is something a model can call. Implementations are safe for concurrent
// use.
type Tool interface {
	Name() string
	Description() string
	Call(ctx context.Context, arguments json.RawMessage) (json.RawMessage, error)
}
