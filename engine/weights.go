package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/llama"
)

// weights are a model in memory, and its files. Engines share them, each with a context of
// its own. They are freed with the last of them.
type weights struct {
	model *llama.Model
	files modelFiles

	tables sync.Once
	vocab  *Vocab // see vocabulary

	mu    sync.Mutex // before those of the users' queues
	users map[weightsUser]bool
	freed bool
	why   error // a file was changed, and all users were told
}

// weightsUser is an engine or an embedder.
type weightsUser interface {
	// fail ends it by itself. It does not wait.
	fail(why error)
}

// loadWeights loads the model in the file at path. It has no users yet: the first one joins
// and, also if it could not, releases it.
func loadWeights(ctx context.Context, path string, o *Options) (*weights, error) {
	if _, ok := llama.Loaded(); !ok {
		return nil, errors.New("engine: the llama.cpp libraries are not loaded; call llama.Load first")
	}
	// llama.cpp ends the process on some files that are not whole.
	paths, err := gguf.Parts(path)
	if err != nil {
		return nil, fmt.Errorf("engine: model: %w", err)
	}
	devices, err := o.devices()
	if err != nil {
		return nil, err
	}
	files, err := openFiles(paths)
	if err != nil {
		return nil, fmt.Errorf("engine: model: %w", err)
	}
	w := &weights{files: files, users: map[weightsUser]bool{}}
	if err := w.load(ctx, o, devices); err != nil {
		w.free()
		return nil, err
	}
	return w, nil
}

// load loads the model from its files.
func (w *weights) load(ctx context.Context, o *Options, devices []llama.Device) (err error) {
	if err := w.files.expect(o.Files); err != nil {
		return err
	}
	p := llama.DefaultModelParams()
	p.NGPULayers = int32(o.GPULayers)
	if o.CopyWeights {
		p.LoadMode = llama.LoadRead
	}
	w.model, err = llama.LoadModelOn(w.files.paths[0], p, devices, o.Split, func(float32) bool { return ctx.Err() == nil })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if changed := w.files.stayed(); changed != nil {
		return changed
	}
	if o.CopyWeights {
		w.files.close()
	}
	return err
}

// vocabulary returns the model's vocabulary, whose tables are made by the first call.
func (w *weights) vocabulary() *Vocab {
	w.tables.Do(func() { w.vocab = newVocab(w.model.Vocab()) })
	return w.vocab
}

// join adds a user, unless the weights are freed or were changed.
func (w *weights) join(u weightsUser) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.freed {
		return cmp.Or(w.why, ErrClosed)
	}
	if err := cmp.Or(w.why, w.files.changed()); err != nil {
		w.fail(err)
		return err
	}
	w.users[u] = true
	return nil
}

// changed reports whether somebody has written to a file that the weights are mapped from.
// All users are told before it returns. It is for users; while nothing has changed it takes
// less than a microsecond and allocates nothing.
func (w *weights) changed() error {
	err := w.files.changed()
	if err == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail(err)
	return w.why
}

// headers reads those of the model's files.
func (w *weights) headers() ([]*gguf.File, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.freed {
		return nil, cmp.Or(w.why, ErrClosed)
	}
	all, err := w.files.headers()
	if changed := w.files.changed(); changed != nil {
		w.fail(changed)
		return nil, w.why
	}
	if err != nil {
		return nil, fmt.Errorf("engine: model: %w", err)
	}
	return all, nil
}

// fail ends all users, and tokenizing, the first time. The caller holds w.mu.
func (w *weights) fail(why error) {
	if w.why != nil {
		return
	}
	w.why = why
	if w.vocab != nil {
		w.vocab.close(why)
	}
	for u := range w.users {
		u.fail(why)
	}
}

// release takes a user away, whose contexts and adapters are freed. After the last one
// there are no weights; why is then the error of tokenizing.
func (w *weights) release(u weightsUser, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.users, u)
	if len(w.users) > 0 || w.freed {
		return
	}
	w.freed = true
	if w.vocab != nil {
		w.vocab.close(cmp.Or(w.why, why))
	}
	w.free()
}

func (w *weights) free() {
	if w.model != nil {
		w.model.Free()
	}
	w.files.close()
}
