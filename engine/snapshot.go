package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/atomicfile"
	"github.com/cria-lm/cria/llama"
)

// A snapshot is a file with the state of a pinned prefix:
//
//	magic   8 bytes
//	digest  SHA-256 of all that follows
//	key     SHA-256 of what the state depends on: see [Engine.snapshotKey]
//	state   what llama.cpp's state_seq_get_data wrote
//
// llama.cpp trusts the numbers in a state: a wrong count of cells keeps it busy
// for ever. So nothing reaches it that does not have the digest and the key, and
// does not begin as the state of these very tokens must.
const snapshotMagic = "CriaKV\x00\x01"

type snapshotKey [sha256.Size]byte

// snapshotKey is a digest of the model and its adapters, the release of llama.cpp, the
// kind of cache and the tokens.
func (e *Engine) snapshotKey(tokens []Token, loras *loraSet) (key snapshotKey, err error) {
	model, err := e.Fingerprint()
	if err != nil {
		return key, fmt.Errorf("engine: snapshot: %w", err)
	}
	info, _ := llama.Loaded()
	h := sha256.New()
	fmt.Fprintf(h, "%x\n%s\nK %d V %d flash %d unified\n", model, info.Version, e.params.TypeK, e.params.TypeV, e.params.FlashAttnType)
	if loras != nil {
		for i, name := range loras.names {
			adapter, err := e.LoRAFingerprint(name)
			if err != nil {
				return key, fmt.Errorf("engine: snapshot: %w", err)
			}
			fmt.Fprintf(h, "LoRA %x %x\n", adapter, math.Float32bits(loras.scales[i]))
		}
	}
	_ = binary.Write(h, binary.LittleEndian, tokens) // a hash does not fail
	h.Sum(key[:0])
	return key, nil
}

// Fingerprint identifies the model by its header and the beginning of every
// tensor, since to read a model of many GB whole takes longer than a prefix. A file
// that is not the one that was loaded any more is an error. It reads the files anew.
func (e *Engine) Fingerprint() ([]byte, error) { return e.weights.files.fingerprint() }

func (f modelFiles) fingerprint() ([]byte, error) {
	h := sha256.New()
	for i, path := range f.paths {
		if err := f.check(i); err != nil {
			return nil, err
		}
		if err := fingerprint(h, path); err != nil {
			return nil, err
		}
	}
	return h.Sum(nil), nil
}

// fingerprintPart is how much of a tensor counts, in bytes.
const fingerprintPart = 4096

func fingerprint(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := gguf.Read(f, info.Size())
	if err != nil {
		return err
	}
	tensors := file.Tensors()
	head := info.Size()
	for _, t := range tensors {
		head = min(head, t.Offset)
	}
	fmt.Fprintf(w, "%d\n", info.Size())
	if _, err := io.Copy(w, io.NewSectionReader(f, 0, head)); err != nil {
		return err
	}
	for _, t := range tensors {
		if _, err := io.Copy(w, io.NewSectionReader(f, t.Offset, min(t.Size, fingerprintPart))); err != nil {
			return err
		}
	}
	return nil
}

// save writes the prefix's snapshot; the file is whole or not there.
func (p *Prefix) save(path string, key snapshotKey) error {
	state, err := p.state()
	if err != nil {
		return fmt.Errorf("engine: snapshot: %w", err)
	}
	h := sha256.New()
	h.Write(key[:])
	h.Write(state)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("engine: snapshot: %w", err)
	}
	// Not synced, which may take seconds: a snapshot that a power cut damaged is known by its checksum.
	if err := atomicfile.Replace(path, func(f *os.File) error {
		for _, part := range [][]byte{[]byte(snapshotMagic), h.Sum(nil), key[:], state} {
			if _, err := f.Write(part); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return fmt.Errorf("engine: snapshot: %w", err)
	}
	return nil
}

// snapshotHeader is the length of what stands before the state.
const snapshotHeader = len(snapshotMagic) + 2*sha256.Size

// readSnapshot returns the state in a file, if it is the one that key says.
func readSnapshot(path string, key snapshotKey) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(b) < snapshotHeader || string(b[:len(snapshotMagic)]) != snapshotMagic {
		return nil, errors.New("not a snapshot")
	}
	digest, rest := b[len(snapshotMagic):][:sha256.Size], b[len(snapshotMagic)+sha256.Size:]
	if sum := sha256.Sum256(rest); !bytes.Equal(sum[:], digest) {
		return nil, errors.New("damaged")
	}
	if !bytes.Equal(rest[:sha256.Size], key[:]) {
		return nil, errors.New("of another model, release of llama.cpp or prefix")
	}
	return rest[sha256.Size:], nil
}

// stateHeader is the length of what stands in a state before the cells: a magic
// number, the sequence, the number of streams and the number of cells, all of 32
// bits. Each cell is its position, the number of its sequences and the sequence
// (llama_context::state_seq_get_data and llama_kv_cache::state_write).
const stateHeader, stateCell = 16, 12

// checkState reports whether a state begins as that of n tokens at positions 0 to
// n-1 of a sequence in one stream does. Where a cell has more, as with positions
// of two dimensions, it is refused.
func checkState(state []byte, n int) error {
	word := func(at int) int64 { return int64(binary.LittleEndian.Uint32(state[at:])) }
	if len(state) < stateHeader+stateCell*n || word(8) != 1 || word(12) != int64(n) {
		return errors.New("not a state of the prefix's length")
	}
	for i := range n {
		if at := stateHeader + stateCell*i; word(at) != int64(i) || word(at+4) != 1 {
			return errors.New("not a state of the prefix's positions")
		}
	}
	return nil
}

// restore pins a job's prompt from a snapshot; nil if that is not possible.
func (e *Engine) restore(path string, key snapshotKey, j *job) *branch {
	state, err := readSnapshot(path, key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = checkState(state, len(j.req.Prompt))
	}
	var b *branch
	if err == nil && j.ctx.Err() == nil {
		err = e.onOwner(func() (err error) {
			b, err = e.adopt(state, j)
			return err
		})
	}
	if err != nil {
		e.log.Warn("a snapshot is of no use; the prefix is computed", "path", path, "reason", err)
		return nil
	}
	return b
}

// adopt puts the state of a job's prompt into the cache, pinned.
func (e *Engine) adopt(state []byte, j *job) (*branch, error) {
	s := &e.sched
	n := len(j.req.Prompt)
	if len(s.pinned) >= maxCached {
		return nil, errTooManyPins
	}
	for len(s.seqs) == 0 || s.tree.cells+s.reserved()+n > s.cells {
		if !e.makeRoom(s.tree.cells + s.reserved() + n) {
			return nil, errors.New("the cache has no room for it now")
		}
	}
	seq := s.takeSeq()
	if e.llm.StateSeqSet(state, seq) != len(state) || !e.holds(seq, n) {
		e.mem.SeqRemove(seq, -1, -1)
		s.seqs = append(s.seqs, seq)
		return nil, errors.New("llama.cpp refuses it")
	}
	b := s.tree.branch(seq, j.domain())
	s.tree.grow(b, j.req.Prompt)
	b.leaf.computed = n
	s.pinned = append(s.pinned, b)
	return b, nil
}
