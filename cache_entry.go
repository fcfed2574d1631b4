package cria

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// cacheEntry is a reply that came to its own end, or the scores of replies. Nobody writes
// it after it was made.
type cacheEntry struct {
	text     string
	logprobs []float64
	usage    Usage
	made     time.Time
}

// entryOverhead is about what an entry takes in memory besides its contents, in bytes.
const entryOverhead = 512

func (e *cacheEntry) cost() uint64 {
	return entryOverhead + uint64(len(e.text)) + 8*uint64(len(e.logprobs))
}

// cachedUsage is the usage of a request that is answered with the entry.
func (e *cacheEntry) cachedUsage() Usage {
	u := e.usage
	u.Cached = true
	return u
}

// A file of the cache is
//
//	magic   8 bytes
//	digest  SHA-256 of all that follows
//	key     of the request
//	made    nanoseconds since 1970, 8 bytes
//	JSON    of an entryJSON
//
// so that one that is cut short, mixed up or of another key is never taken for a reply.
// Where a system crash loses the contents of a file whose name it keeps, the digest
// tells; so nothing waits for the disk.
const entryMagic = "CriaLM\x00\x01"

const entryHeader = len(entryMagic) + 2*sha256.Size + 8

// entryJSON is what JSON says of an entry. It has no notation for text that is not UTF-8,
// which other LMs may write, nor for infinities.
type entryJSON struct {
	Text     []byte   `json:"text,omitempty"`
	Logprobs []uint64 `json:"logprobs,omitempty"` // the bits of each
	Usage    Usage    `json:"usage"`
}

// encode writes the file of an entry.
func (e *cacheEntry) encode(key cacheKey) ([]byte, error) {
	j := entryJSON{Text: []byte(e.text), Usage: e.usage}
	for _, p := range e.logprobs {
		j.Logprobs = append(j.Logprobs, math.Float64bits(p))
	}
	data, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	rest := append(key[:], binary.LittleEndian.AppendUint64(nil, uint64(e.made.UnixNano()))...)
	rest = append(rest, data...)
	digest := sha256.Sum256(rest)
	return bytes.Join([][]byte{[]byte(entryMagic), digest[:], rest}, nil), nil
}

// decodeEntry reads the file of an entry.
func decodeEntry(b []byte, key cacheKey) (*cacheEntry, error) {
	if len(b) < entryHeader || string(b[:len(entryMagic)]) != entryMagic {
		return nil, errors.New("not a file of this cache")
	}
	digest, rest := b[len(entryMagic):][:sha256.Size], b[len(entryMagic)+sha256.Size:]
	if sum := sha256.Sum256(rest); !bytes.Equal(sum[:], digest) {
		return nil, errors.New("damaged")
	}
	if !bytes.Equal(rest[:len(key)], key[:]) {
		return nil, errors.New("of another request")
	}
	rest = rest[len(key):]
	var j entryJSON
	if err := json.Unmarshal(rest[8:], &j); err != nil {
		return nil, fmt.Errorf("damaged: %w", err)
	}
	e := &cacheEntry{text: string(j.Text), usage: j.Usage, made: time.Unix(0, int64(binary.LittleEndian.Uint64(rest)))}
	for _, bits := range j.Logprobs {
		e.logprobs = append(e.logprobs, math.Float64frombits(bits))
	}
	return e, nil
}
