package synth

import (
	"fmt"
	"os"
	"slices"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/atomicfile"
)

// Vocabularies are the kinds that [WriteVocabulary] knows, named as in the file.
var Vocabularies = []string{"gpt2", "llama", "bert", "t5"}

// The kinds of tokens in tokenizer.ggml.token_type.
const (
	normalToken  = 1
	unknownToken = 2
	controlToken = 3
	byteToken    = 6
)

const letters = "abcdefghijklmnopqrstuvwxyz"

// vocabulary is a tokenizer under construction.
type vocabulary struct {
	kind   string
	tokens []string
	types  []int32
	scores []float32
	more   []gguf.KeyValue
}

// WriteVocabulary writes a file that has a tokenizer of some hundred tokens and nothing
// else, for [Write] to take: models are then of some ten kilobytes, and load in a moment.
// Every text can be tokenized, if not well.
func WriteVocabulary(path, kind string) error {
	v, err := newVocabulary(kind)
	if err != nil {
		return err
	}
	return atomicfile.Replace(path, func(f *os.File) error { return gguf.Write(f, v.metadata(), nil) })
}

// Vocabulary returns the keys of such a tokenizer with as many tokens as a published model
// has: there are others that no text has behind it. Pre says how text is cut before a BPE
// tokenizer. Beside the kinds of [Vocabularies] there is "gemma4", of which no text is
// made here.
func Vocabulary(kind, pre string, size int) ([]gguf.KeyValue, error) {
	v, err := newVocabulary(kind)
	if err != nil {
		return nil, err
	}
	for i := len(v.tokens); i < size; i++ {
		v.add(normalToken, fmt.Sprintf("<more %d>", i))
	}
	if len(v.tokens) != size {
		return nil, fmt.Errorf("a vocabulary of kind %s has %d tokens at least, not %d", kind, len(v.tokens), size)
	}
	all := slices.DeleteFunc(v.metadata(), func(kv gguf.KeyValue) bool { return kv.Key == keyPre })
	if pre != "" {
		all = append(all, gguf.KeyValue{Key: keyPre, Value: pre})
	}
	return all, nil
}

const keyPre = "tokenizer.ggml.pre"

func newVocabulary(kind string) (*vocabulary, error) {
	v := &vocabulary{kind: kind}
	switch kind {
	case "gpt2":
		v.bytePairs()
	case "llama":
		v.sentencePieces()
	case "gemma4": // byte pairs of texts that are written as sentence pieces are
		v.sentencePieces()
		v.more = append(v.more, gguf.KeyValue{Key: "tokenizer.ggml.merges", Value: []string{"▁ t", "h e", "▁t he", "i n"}})
	case "bert":
		v.wordPieces()
	case "t5":
		v.unigrams()
	default:
		return nil, fmt.Errorf("vocabulary %q is not known; there are %s", kind, join(Vocabularies))
	}
	return v, nil
}

func (v *vocabulary) metadata() []gguf.KeyValue {
	all := []gguf.KeyValue{
		{Key: "tokenizer.ggml.model", Value: v.kind},
		{Key: "tokenizer.ggml.tokens", Value: v.tokens},
		{Key: "tokenizer.ggml.token_type", Value: v.types},
		{Key: "tokenizer.ggml.scores", Value: v.scores},
		{Key: "tokenizer.chat_template", Value: "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"},
	}
	return append(all, v.more...)
}

func (v *vocabulary) add(typ int32, tokens ...string) {
	for _, token := range tokens {
		v.types = append(v.types, typ)
		v.scores = append(v.scores, -float32(len(v.tokens)))
		v.tokens = append(v.tokens, token)
	}
}

// role names the token of a purpose.
func (v *vocabulary) role(name, token string) {
	v.more = append(v.more, gguf.KeyValue{
		Key: "tokenizer.ggml." + name + "_token_id", Value: uint32(slices.Index(v.tokens, token))})
}

// bytePairs adds a token for each byte, written as GPT-2 writes it, and a few pairs.
func (v *vocabulary) bytePairs() {
	v.add(controlToken, "<|endoftext|>", "<|im_start|>", "<|im_end|>")
	shifted := rune(256) // bytes that are no visible characters are written as these
	for b := rune(0); b < 256; b++ {
		written := b
		if b <= ' ' || b >= 0x7f && b <= 0xa0 || b == 0xad {
			written, shifted = shifted, shifted+1
		}
		v.add(normalToken, string(written))
	}
	merges := []string{"Ġ t", "h e", "i n", "Ġt he", "e r"}
	v.add(normalToken, "Ġt", "he", "in", "Ġthe", "er")
	v.more = []gguf.KeyValue{{Key: keyPre, Value: "smollm"}, {Key: "tokenizer.ggml.merges", Value: merges}}
	v.role("bos", "<|im_start|>")
	v.role("eos", "<|im_end|>")
	v.role("unknown", "<|endoftext|>")
}

func (v *vocabulary) sentencePieces() {
	v.add(unknownToken, "<unk>")
	v.add(controlToken, "<s>", "</s>")
	for b := range 256 {
		v.add(byteToken, fmt.Sprintf("<0x%02X>", b))
	}
	v.add(normalToken, "▁t", "he", "▁the", "in", "▁")
	v.letters("")
	v.role("bos", "<s>")
	v.role("eos", "</s>")
	v.role("unknown", "<unk>")
}

func (v *vocabulary) wordPieces() {
	v.add(controlToken, "[PAD]", "[CLS]", "[SEP]", "[MASK]")
	v.add(unknownToken, "[UNK]")
	v.letters("▁")
	v.letters("")
	v.add(normalToken, "▁the", "▁.", "▁,")
	for name, token := range map[string]string{"bos": "[CLS]", "seperator": "[SEP]", "unknown": "[UNK]", "padding": "[PAD]", "mask": "[MASK]"} {
		v.role(name, token)
	}
	slices.SortFunc(v.more, func(a, b gguf.KeyValue) int { return int(a.Value.(uint32)) - int(b.Value.(uint32)) })
}

func (v *vocabulary) unigrams() {
	v.add(controlToken, "<pad>", "</s>")
	v.add(unknownToken, "<unk>")
	v.add(normalToken, "▁", "▁the", "in", "er")
	v.letters("")
	v.role("padding", "<pad>")
	v.role("eos", "</s>")
	v.role("unknown", "<unk>")
}

func (v *vocabulary) letters(prefix string) {
	for _, letter := range letters {
		v.add(normalToken, prefix+string(letter))
	}
}
