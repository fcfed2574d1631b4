package gguf

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
)

// maxToken is more than any token has bytes: a longer one overflows the stack of
// llama.cpp's grammars.
const maxToken = 8 << 10

// tokenizers are the kinds of general use, with the ids that llama.cpp takes for the roles
// if the file names none (llama_vocab::impl::load), and whether texts begin and end with
// them. Others it does not tokenize with safely: that of RWKV runs for ever on a byte that
// has no token, and "no_vocab" ends the process at the first text.
var tokenizers = map[string]struct {
	bos, eos, unknown, separator int64 // -1: none
	addBOS, addEOS               bool
}{
	"llama":  {1, 2, 0, -1, true, false},
	"gpt2":   {11, 11, -1, -1, false, false},
	"bert":   {101, -1, 100, 102, true, false},
	"t5":     {-1, 1, 2, -1, false, true},
	"gemma4": {-1, -1, -1, -1, true, false},
	"plamo2": {1, 2, 0, -1, false, false},
}

// preTokenizers say how text is cut before a BPE tokenizer; an unknown one is refused by
// llama.cpp.
var preTokenizers = words(`
	a.x-4.0 afmoe bailingmoe bailingmoe2 bloom chameleon chatglm-bpe codeshell cohere2moe command-r
	dbrx deepseek-coder deepseek-llm deepseek-r1-qwen deepseek-v3 default exaone exaone-moe exaone4
	f2llmv2 falcon falcon-h1 falcon3 gemma4 gigachat glm4 gpt-2 gpt-4o gpt3-finnish granite-docling
	granite-embed-multi-311m granite-embed-multi-97m grok-2 hunyuan hunyuan-dense hy_v4 jais jais-2
	jina-de jina-es jina-v1-en jina-v2-code jina-v2-de jina-v2-es jina-v5-nano joyai-llm kanana2 kimi-k2
	kormo laguna lfm2 llada-moe llama-bpe llama-v3 llama3 llama4 megrez mellum mellum2 midm-2.0
	minerva-7b minicpm5 minimax-m2 modern-bert mpt olmo phi-2 pixtral poro-chat qwen2 qwen35 refact
	roberta-bpe sarvam-moe seed-coder smaug-bpe smollm solar-open spark2_5 stablelm2 starcoder superbpe
	talkie tekken tiny_aya trillion ufakzeka viking whitespace youtu`)

// beginning are those of them with which a text begins with BOS unless the file says
// otherwise.
var beginning = words("llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano tekken chameleon")

const (
	keyTokenTypes = "tokenizer.ggml.token_type"
	keyScores     = "tokenizer.ggml.scores"
	keyMerges     = "tokenizer.ggml.merges"
)

// elements are those of an array of strings.
func (v Value) elements() iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		raw := v.raw
		for i := range v.n {
			n := binary.LittleEndian.Uint64([]byte(raw[:8]))
			if !yield(i, raw[8:8+n]) {
				return
			}
			raw = raw[8+n:]
		}
	}
}

// vocabulary checks the tokens and what the tokenizer needs beside them.
func (c *checker) vocabulary() error {
	kind, ok := c.Text(keyTokenizer)
	if !ok {
		return unusable("metadata."+keyTokenizer, "is missing: the model has no tokenizer")
	}
	if _, ok := tokenizers[kind]; !ok {
		return unusable("metadata."+keyTokenizer, "this release does not know the tokenizer %q", kind)
	}
	pre, _ := c.Text(keyPreTokenizer)
	if kind == "gpt2" && pre != "" && !preTokenizers[pre] {
		return unusable("metadata."+keyPreTokenizer, "this release does not know the pre-tokenizer %q", pre)
	}
	for _, check := range []func() error{c.uniqueTokens, func() error { return c.tokenTypes(kind) }, c.scores, func() error { return c.merges(kind, pre) },
		func() error { return c.bytes(kind) }, func() error { return c.roles(kind, pre) }, c.suppressed, c.charsmap} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func placeOfElement(key string, i int) string { return fmt.Sprintf("metadata.%s[%d]", key, i) }

// uniqueTokens also collects them. An empty one is given a name by llama.cpp.
func (c *checker) uniqueTokens() error {
	v := c.values[keyTokens]
	if v.n == 0 {
		return unusable("metadata."+keyTokens, "there are no tokens")
	}
	c.tokens = make(map[string]int32, v.n)
	for i, token := range v.elements() {
		if token == "" {
			token = fmt.Sprintf("[EMPTY_%d]", i)
		}
		first, twice := c.tokens[token]
		switch {
		case twice:
			return unusable(placeOfElement(keyTokens, i), "%.50q is token %d too", token, first)
		case len(token) > maxToken:
			return unusable(placeOfElement(keyTokens, i), "has %d bytes; at most %d are allowed", len(token), maxToken)
		case strings.Contains(token, "\x00"):
			return unusable(placeOfElement(keyTokens, i), "%.50q has a NUL", token)
		}
		c.tokens[token] = int32(i)
	}
	return nil
}

// array is one beside the tokens that may be missing.
func (c *checker) array(key string, elem Type) (v Value, ok bool, err error) {
	v, ok = c.values[key]
	if ok && (v.typ != Array || v.elem != elem) {
		err = unusable("metadata."+key, "is not an array of %v", elem)
	} else if ok && v.n != len(c.tokens) {
		err = unusable("metadata."+key, "has %d elements for %d tokens", v.n, len(c.tokens))
	}
	return v, ok, err
}

// The kinds of tokens: normal, unknown, control, user-defined, unused and byte.
const (
	normalToken = 1
	byteToken   = 6
)

// tokenTypes also checks that tokens of bytes say which.
func (c *checker) tokenTypes(kind string) error {
	v, ok, err := c.array(keyTokenTypes, Int32)
	if !ok || err != nil {
		return err
	}
	types := v.Any().([]int32)
	for i, token := range c.values[keyTokens].elements() {
		if types[i] < normalToken || types[i] > byteToken {
			return unusable(placeOfElement(keyTokenTypes, i), "%d is not in %d to %d", types[i], normalToken, byteToken)
		}
		if types[i] == byteToken && kind == "bert" {
			return unusable(placeOfElement(keyTokenTypes, i), "a tokenizer of kind %q has no tokens of bytes", kind)
		}
		if types[i] == byteToken && !isByte(token) {
			return unusable(placeOfElement(keyTokens, i), "%.50q is said to be a byte, and is not written <0x00> to <0xFF>", token)
		}
	}
	return nil
}

// isByte reports whether a token is written <0x00> to <0xFF>.
func isByte(token string) bool {
	hex, ok := strings.CutPrefix(token, "<0x")
	hex, closed := strings.CutSuffix(hex, ">")
	_, err := strconv.ParseUint(hex, 16, 8)
	return ok && closed && len(hex) == 2 && err == nil
}

func (c *checker) scores() error {
	if v, ok := c.values[keyScores]; ok && v.typ == Array && v.elem == Int32 { // llama.cpp reads these too
		_, _, err := c.array(keyScores, Int32)
		return err
	}
	v, ok, err := c.array(keyScores, Float32)
	if !ok || err != nil {
		return err
	}
	for i, f := range v.Any().([]float32) {
		if f64 := float64(f); math.IsNaN(f64) || math.IsInf(f64, 0) {
			return unusable(placeOfElement(keyScores, i), "%v is not finite", f)
		}
	}
	return nil
}

// merges checks the pairs that BPE makes tokens of: two texts with a space between them.
func (c *checker) merges(kind, pre string) error {
	v, ok := c.values[keyMerges]
	bpe := kind == "gpt2" || kind == "gemma4"
	switch {
	case !bpe || !ok && pre == "kimi-k2":
		return nil
	case !ok:
		return unusable("metadata."+keyMerges, "is missing")
	case v.typ != Array || v.elem != String:
		return unusable("metadata."+keyMerges, "is not an array of strings")
	}
	for i, merge := range v.elements() {
		if len(merge) > 2*maxToken || strings.Contains(merge, "\x00") || len(merge) < 3 || strings.IndexByte(merge[1:len(merge)-1], ' ') < 0 {
			return unusable(placeOfElement(keyMerges, i), "%.50q is not two texts with a space between them", merge)
		}
	}
	return nil
}

// bytes checks that a text of any kind has tokens: those of bytes stand for what has none.
// T5 has its unknown token for that.
func (c *checker) bytes(kind string) error {
	if kind != "llama" && kind != "plamo2" {
		return nil
	}
	for b := range 256 {
		_, named := c.tokens[fmt.Sprintf("<0x%02X>", b)]
		_, plain := c.tokens[string([]byte{byte(b)})]
		if !named && !(plain && kind == "llama") {
			return unusable("metadata."+keyTokens, "there is no token <0x%02X>; a tokenizer of kind %q needs one for every byte", b, kind)
		}
	}
	return nil
}

// roles checks the tokens of special purposes. llama.cpp does without one outside of the
// vocabulary, but then generates for ever, or ends the process when it should begin a text
// with a token that is not there.
func (c *checker) roles(kind, pre string) error {
	def := tokenizers[kind]
	for key := range c.values {
		if name, ok := strings.CutPrefix(key, "tokenizer.ggml."); !ok || !strings.HasSuffix(name, "_token_id") {
			continue
		}
		if _, err := c.role(key, -1); err != nil {
			return err
		}
	}
	if pre == "glm4" || pre == "chatglm-bpe" {
		def.bos = -1
	}
	for _, r := range []struct {
		name  string
		id    int64
		add   string
		added bool
	}{
		{"bos", def.bos, "add_bos_token", def.addBOS || kind == "gpt2" && beginning[pre]},
		{"eos", def.eos, "add_eos_token", def.addEOS},
		{"seperator", def.separator, "", kind == "bert"},
		{"unknown", def.unknown, "", kind == "bert" || kind == "t5"},
	} {
		key := "tokenizer.ggml." + r.name + "_token_id"
		id, err := c.role(key, r.id)
		if err != nil {
			return err
		}
		if r.add != "" && kind != "bert" {
			added, err := c.flag("tokenizer.ggml."+r.add, r.added)
			if err != nil {
				return err
			}
			r.added = added || kind == "gemma4" && r.name == "bos"
		}
		if r.added && id < 0 {
			return unusable("metadata."+key, "is missing; the tokenizer needs that token")
		}
	}
	return nil
}

// noToken is what some files say for: none.
const noToken = math.MaxUint32

// role is the id that a key gives, or another if it gives none; -1 if that is outside of
// the vocabulary.
func (c *checker) role(key string, otherwise int64) (int64, error) {
	v, ok := c.values[key]
	n, _ := v.integer()
	switch {
	case ok && v.typ != Uint32:
		return 0, unusable(placeOfKey(key), "is %v; it must be u32", v.typ)
	case ok && n != noToken && n >= int64(len(c.tokens)):
		return 0, unusable(placeOfKey(key), "%d; there are %d tokens", n, len(c.tokens))
	case ok && n != noToken:
		return n, nil
	case otherwise >= int64(len(c.tokens)):
		return -1, nil
	}
	return otherwise, nil
}

func (c *checker) flag(key string, otherwise bool) (bool, error) {
	v, ok := c.values[key]
	if !ok {
		return otherwise, nil
	}
	if v.typ != Bool {
		return false, unusable(placeOfKey(key), "is %v; it must be bool", v.typ)
	}
	return v.bits != 0, nil
}

// suppressed checks the tokens that are never to be generated.
func (c *checker) suppressed() error {
	const key = "tokenizer.ggml.suppress_tokens"
	v, ok := c.values[key]
	if !ok {
		return nil
	}
	ids, isInts := v.Any().([]int32)
	if !isInts {
		return unusable("metadata."+key, "is not an array of i32")
	}
	for i, id := range ids {
		if id < 0 || int(id) >= len(c.tokens) {
			return unusable(placeOfElement(key, i), "%d; there are %d tokens", id, len(c.tokens))
		}
	}
	return nil
}
