package gguf

import (
	"fmt"
	"slices"
)

// CheckVersion names the rules of [Check]: what has passed under another name must be checked
// again. It changes with the rules.
const CheckVersion = "v0.5.0-3"

// Check reads the model at path, all parts of it if it is cut over several files, and
// refuses what llama.cpp v0.5.0 would refuse or not survive, when it loads the model or
// later: see [File.Validate]. Any part may be named. The header that is returned is that of
// the first part. A refusal is an [*Error], behind the path; the file could not be read if
// it is another.
func Check(path string) (*File, error) {
	paths, parts, err := OpenParts(path)
	if err != nil {
		return nil, err
	}
	if err := parts[0].Validate(parts[1:]...); err != nil {
		return nil, fmt.Errorf("%s: %w", paths[0], err)
	}
	return parts[0], nil
}

// Validate refuses a model that is a whole GGUF and yet not fit for llama.cpp: numbers that
// are missing, out of range or at odds with each other or with the tensors, tensors of types
// and shapes that it does not compute, a vocabulary that its tokenizer does not survive. The
// error is an [*Error] that says the first thing found, of the kind [ErrUnusable] or
// [ErrUnknownArchitecture]. Tensor data is not looked at. Of a model that is cut over
// several files f is the first part and more are all others, which bring tensors only.
func (f *File) Validate(more ...*File) error {
	parts, first := append([]*File{f}, more...), f
	if n := max(1, first.Split().Count); n != len(parts) {
		return unusable("metadata.split.count", "it is part %d of %d; all parts are needed", first.Split().Index+1, n)
	}
	c := &checker{Metadata: first.metadata, arch: first.Architecture(), layers: first.BlockCount(), tensors: map[string]Tensor{}}
	for _, part := range parts {
		for _, t := range part.tensors {
			if _, twice := c.tensors[t.Name]; twice {
				return unusable(placeOfTensor(t.Name), "stands in two parts")
			}
			c.tensors[t.Name] = t
			c.table = append(c.table, t)
		}
	}
	if n := first.Split().Tensors; len(parts) > 1 && n != len(c.table) {
		return unusable("metadata.split.tensors.count", "is %d, but the parts have %d tensors", n, len(c.table))
	}
	for _, check := range []func() error{
		c.architecture, c.numbers, c.heads, c.experts, c.rope, c.vocabulary, c.tensorTypes, c.embeddings, c.shapes, c.demands, c.recurrence,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checker holds a model while it is looked at. Each check may rely on those before it.
type checker struct {
	Metadata
	arch    string
	layers  int
	tensors map[string]Tensor
	table   []Tensor // the same in the order of the files
	tokens  map[string]int32
}

// key is the name of a number of the network.
func (c *checker) key(name string) string { return c.arch + "." + name }

func unusable(place, format string, args ...any) error {
	return &Error{Kind: ErrUnusable, Place: place, Reason: fmt.Sprintf(format, args...)}
}

// architecture refuses what is no language model that this release knows.
func (c *checker) architecture() error {
	const place = "metadata." + keyArchitecture
	if kind, ok := c.Text("general.type"); ok && kind != "model" {
		if kind == "adapter" {
			return unusable("metadata.general.type", "it is an adapter (LoRA), which is loaded beside the model that it was made for")
		}
		return unusable("metadata.general.type", "it is not a model but says that it is %q", kind)
	}
	switch {
	case c.arch == "":
		return unusable(place, "is missing")
	case c.arch == "clip":
		return unusable(place, "it is the part of a model that sees or hears (mmproj), which is loaded beside the language model")
	case drafts[c.arch]:
		return unusable(place, "%s is a draft for another model, and cannot answer by itself", c.arch)
	case !architectures[c.arch]:
		return &Error{ErrUnknownArchitecture, place, fmt.Sprintf("this release does not know architecture %q; look for a newer release of Cria, or for another model", c.arch)}
	}
	return nil
}

// unsigned is a number that must be a u32, as the loader reads it.
func (c *checker) unsigned(name string, least, most int64, required bool) (n int64, stated bool, err error) {
	key := c.key(name)
	v, ok := c.values[key]
	if !ok {
		if required {
			return 0, false, unusable(placeOfKey(key), "is missing")
		}
		return 0, false, nil
	}
	if v.typ != Uint32 {
		return 0, true, unusable(placeOfKey(key), "is %v; it must be u32", v.typ)
	}
	n, _ = v.integer()
	if n < least || n > most {
		return 0, true, unusable(placeOfKey(key), "%d is not in %d to %d", n, least, most)
	}
	return n, true, nil
}

// perLayer is a number that may be one for all layers or an array with one for each.
func (c *checker) perLayer(name string, least, most int64) (numbers []int64, err error) {
	key := c.key(name)
	v, ok := c.values[key]
	if !ok {
		return nil, nil
	}
	if v.typ != Array {
		n, _, err := c.unsigned(name, least, most, true)
		return slices.Repeat([]int64{n}, c.layers), err
	}
	if v.n != c.layers {
		return nil, unusable(placeOfKey(key), "has %d elements for %d layers", v.n, c.layers)
	}
	if v.elem != Uint32 && v.elem != Int32 {
		return nil, unusable(placeOfKey(key), "is an array of %v; it must be one of u32 or i32", v.elem)
	}
	numbers, _ = c.Ints(key)
	for i, n := range numbers {
		if n < least || n > most {
			return nil, unusable(fmt.Sprintf("%s[%d]", placeOfKey(key), i), "%d is not in %d to %d", n, least, most)
		}
	}
	return numbers, nil
}
