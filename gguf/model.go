package gguf

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
)

// TokenRole is a special purpose that a token may have.
type TokenRole string

const (
	BOS       TokenRole = "bos" // begins a text
	EOS       TokenRole = "eos" // ends a text
	EOT       TokenRole = "eot" // ends a turn
	EOM       TokenRole = "eom" // ends a message that a tool answers
	Unknown   TokenRole = "unknown"
	Separator TokenRole = "seperator" // the format's spelling
	Padding   TokenRole = "padding"
	Mask      TokenRole = "mask"
	FIMPrefix TokenRole = "fim_pre"
	FIMSuffix TokenRole = "fim_suf"
	FIMMiddle TokenRole = "fim_mid"
)

const (
	keyArchitecture = "general.architecture"
	keyName         = "general.name"
	keyTokenizer    = "tokenizer.ggml.model"
	keyPreTokenizer = "tokenizer.ggml.pre"
	keyTokens       = "tokenizer.ggml.tokens"
	keyTemplate     = "tokenizer.chat_template"
)

// model holds the numbers that are asked for most, checked while reading.
type model struct {
	contextLength, blockCount, embeddingLength int
	split                                      Split
}

// Split says which part of a model cut over several files this one is. The
// zero Split is that of a model in one file.
type Split struct {
	Index   int // of this part, from 0
	Count   int // of parts; 0 if the model is not cut
	Tensors int // of all parts together
}

// newModel reads the keys whose types llama.cpp insists on.
func newModel(m Metadata) (model, error) {
	for _, key := range []string{keyArchitecture, keyName, keyTokenizer, keyPreTokenizer, keyTemplate} {
		if v, ok := m.Value(key); ok && v.typ != String {
			return model{}, at(invalidf("is %v, not a string", v.typ), placeOfKey(key))
		}
	}
	if v, ok := m.Value(keyTokens); ok && (v.typ != Array || v.elem != String) {
		return model{}, at(invalidf("is not an array of strings"), placeOfKey(keyTokens))
	}
	arch, _ := m.Text(keyArchitecture)
	var mod model
	for _, n := range []struct {
		key         string
		to          *int
		least, most int64
	}{
		{arch + ".context_length", &mod.contextLength, 1, maxContext},
		{arch + ".block_count", &mod.blockCount, 1, maxBlocks},
		{arch + ".embedding_length", &mod.embeddingLength, 1, math.MaxInt32},
		{"split.no", &mod.split.Index, 0, math.MaxUint16},
		{"split.count", &mod.split.Count, 0, math.MaxUint16},
		{"split.tensors.count", &mod.split.Tensors, 0, math.MaxInt32},
	} {
		v, ok := m.Value(n.key)
		if !ok {
			continue
		}
		var err error
		if *n.to, err = v.within(n.least, n.most); err != nil {
			return mod, at(err, placeOfKey(n.key))
		}
	}
	if s := mod.split; s.Index > 0 && s.Index >= s.Count {
		return mod, at(invalidf("part %d (from 0) of %d", s.Index, s.Count), placeOfKey("split.no"))
	}
	return mod, m.checkNumbers(arch)
}

// Architecture names the kind of network, such as "llama"; empty if the file
// does not say (a later part of a split model need not).
func (f *File) Architecture() string { return f.text(keyArchitecture) }

// Name is the model's name for people; may be empty.
func (f *File) Name() string { return f.text(keyName) }

// ContextLength is the number of tokens the model was trained to see at once;
// 0 if the file does not say.
func (f *File) ContextLength() int { return f.model.contextLength }

// BlockCount is the number of layers; 0 if the file does not say.
func (f *File) BlockCount() int { return f.model.blockCount }

// EmbeddingLength is the width of the hidden state; 0 if the file does not say.
func (f *File) EmbeddingLength() int { return f.model.embeddingLength }

// Tokenizer names the kind of tokenizer ("gpt2", "llama") and how text is cut
// before it ("smollm"); either may be empty.
func (f *File) Tokenizer() (kind, pre string) {
	return f.text(keyTokenizer), f.text(keyPreTokenizer)
}

// VocabularySize is the number of tokens; 0 without a tokenizer.
func (f *File) VocabularySize() int { return f.metadata.values[keyTokens].n }

// ChatTemplate is the default chat template (Jinja), empty for a model that
// has none: a base model.
func (f *File) ChatTemplate() string { return f.text(keyTemplate) }

// ChatTemplates are all templates by name ("tool_use", "rag"); the default one
// has the empty name.
func (f *File) ChatTemplates() map[string]string {
	all := map[string]string{}
	for _, key := range f.metadata.keys {
		name, ok := strings.CutPrefix(key, keyTemplate)
		if text, isText := f.metadata.Text(key); ok && isText && (name == "" || name[0] == '.') {
			all[strings.TrimPrefix(name, ".")] = text
		}
	}
	return all
}

// SpecialToken is the token that has a role. It reports false if the file names
// none or names one outside the vocabulary, which llama.cpp ignores as well;
// llama.cpp may still find a token for the role by its text.
func (f *File) SpecialToken(role TokenRole) (id int32, ok bool) {
	n, ok := f.metadata.Int("tokenizer.ggml." + string(role) + "_token_id")
	if !ok || n < 0 || n >= int64(f.VocabularySize()) {
		return 0, false
	}
	return int32(n), true
}

// AddBOS says whether a text begins with the BOS token; stated is false if the
// file leaves that to the kind of tokenizer.
func (f *File) AddBOS() (add, stated bool) { return f.metadata.Bool("tokenizer.ggml.add_bos_token") }

// AddEOS is [File.AddBOS] for the end of a text.
func (f *File) AddEOS() (add, stated bool) { return f.metadata.Bool("tokenizer.ggml.add_eos_token") }

// Split says which part of a split model the file is.
func (f *File) Split() Split { return f.model.split }

// Paths names the files of all parts in order, given the path of this part:
// they stand side by side and end in -00001-of-00003.gguf. A model in one file
// is its own only part. The other files are not looked at.
func (s Split) Paths(path string) ([]string, error) {
	if s.Count <= 1 {
		return []string{path}, nil
	}
	base, ok := strings.CutSuffix(filepath.Base(path), s.suffix(s.Index))
	if !ok {
		return nil, fmt.Errorf("%s is part %d of %d, so llama.cpp expects a name that ends in %s; rename it", path, s.Index+1, s.Count, s.suffix(s.Index))
	}
	paths := make([]string, s.Count)
	for i := range paths {
		paths[i] = filepath.Join(filepath.Dir(path), base+s.suffix(i))
	}
	return paths, nil
}

func (s Split) suffix(i int) string { return fmt.Sprintf("-%05d-of-%05d.gguf", i+1, s.Count) }

func (f *File) text(key string) string {
	s, _ := f.metadata.Text(key)
	return s
}
