package gguf

import (
	"maps"
	"slices"
	"strings"
)

// What llama.cpp v0.5.0 knows of architectures, by the names that stand in
// general.architecture (llama-arch.cpp), and what it insists on: an assertion that fails
// ends the process.

// architectures are the networks that can be loaded.
var architectures = words(`
	afmoe apertus arcee arctic arwkv7 baichuan bailingmoe bailingmoe2 bailingmoe3 bert bitnet
	bloom chameleon chatglm codeshell cogvlm cohere2 cohere2moe command-r dbrx deci deepseek
	deepseek2 deepseek2-ocr deepseek32 deepseek4 dots1 dots3note dream ernie4_5 ernie4_5-moe
	eurobert exaone exaone-moe exaone4 falcon falcon-h1 gemma gemma-embedding gemma2 gemma3
	gemma3n gemma4 glm-dsa glm4 glm4moe gpt-oss gpt2 gptneox granite granite_swa granitehybrid
	granitemoe graniteswitch grok grovemoe hrm_text hunyuan-dense hunyuan-moe hunyuan_vl hy_v3
	hy_v4 internlm2 jais jais2 jamba jina-bert-v2 jina-bert-v3 kimi-k3 kimi-linear laguna lfm2
	lfm2moe llada llada-moe llama llama-embed llama4 maincoder mamba mamba2 maple mellum mimo2
	minicpm minicpm3 minimax-01 minimax-m2 minimax-m3 mistral3 mistral4 modern-bert mpt
	muse-glimmer nanbeige nemotron nemotron_h nemotron_h_moe neo-bert nomic-bert
	nomic-bert-moe olmo olmo2 olmoe openelm orion paddleocr pangu-embedded phi2 phi3 phimoe
	plamo plamo2 plamo3 plm pockettts qwen qwen2 qwen2moe qwen2vl qwen3 qwen35 qwen35moe
	qwen3moe qwen3next qwen3tts qwen3vl qwen3vlmoe qwen4exp refact rnd1 rwkv6 rwkv6qwen2 rwkv7
	seed_oss smallthinker smollm3 spark2_5 stablelm starcoder starcoder2 step35 t5 t5encoder
	talkie wavtokenizer-dec xverse`)

// Architectures are the names of the networks that [Check] accepts, in order.
func Architectures() []string { return slices.Sorted(maps.Keys(architectures)) }

// equalHeads are those whose keys and values must be of the same width (src/models).
var equalHeads = words(`
	afmoe apertus arcee arctic baichuan bailingmoe2 bert bitnet bloom chameleon chatglm
	codeshell cogvlm cohere2 cohere2moe command-r dbrx deci deepseek deepseek4 dots1 dream
	ernie4_5 ernie4_5-moe eurobert exaone exaone-moe exaone4 falcon gemma4 glm4 glm4moe gpt2
	gptneox granite granite_swa granitehybrid granitemoe graniteswitch grok grovemoe
	hunyuan-dense hunyuan-moe hunyuan_vl hy_v3 internlm2 jais jais2 jina-bert-v2 jina-bert-v3
	laguna lfm2 lfm2moe llada llada-moe llama llama-embed llama4 maincoder maple mellum
	minicpm minimax-01 minimax-m2 minimax-m3 mistral3 modern-bert mpt muse-glimmer nanbeige
	nemotron nemotron_h nemotron_h_moe neo-bert nomic-bert nomic-bert-moe olmo olmo2 olmoe
	openelm orion paddleocr pangu-embedded phi2 phi3 phimoe plamo pockettts qwen qwen2
	qwen2moe qwen2vl qwen3 qwen35 qwen35moe qwen3moe qwen3next qwen3tts qwen3vl qwen3vlmoe
	qwen4exp refact rnd1 seed_oss smallthinker smollm3 spark2_5 stablelm starcoder starcoder2
	t5 talkie xverse`)

// rotatesWholeHeads are those of equalHeads whose rotary embedding must cover all of a head.
var rotatesWholeHeads = words(`
	apertus arcee arctic baichuan chameleon codeshell cogvlm cohere2moe dbrx deci deepseek
	dots1 dream ernie4_5 ernie4_5-moe exaone exaone-moe exaone4 falcon granite granite_swa
	granitemoe graniteswitch grok grovemoe hunyuan-dense hunyuan-moe hunyuan_vl hy_v3
	internlm2 jais2 llada llada-moe llama llama-embed llama4 maincoder mellum minicpm mistral3
	olmo olmo2 olmoe orion paddleocr pangu-embedded plamo pockettts qwen2 qwen2moe qwen2vl
	qwen3 qwen3moe qwen3tts qwen3vl qwen3vlmoe rnd1 seed_oss smallthinker smollm3 starcoder2
	talkie xverse`)

// recurrent are those without attention, or with attention in some layers only.
var recurrent = words(`
	arwkv7 bailingmoe3 deepseek4 falcon-h1 granitehybrid jamba kimi-k3 kimi-linear lfm2 lfm2moe
	mamba mamba2 minimax-01 nemotron_h nemotron_h_moe plamo2 qwen35 qwen35moe qwen3next qwen4exp
	rwkv6 rwkv6qwen2 rwkv7`)

// drafts guess for another model, whose context llama.cpp insists on.
var drafts = words(`dflash eagle3 gemma4-assistant`)

// partial are decoders of sound that belong to another model: their embeddings have sizes of
// their own.
var partial = words(`
	pockettts qwen3tts wavtokenizer-dec`)

func words(text string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		set[word] = true
	}
	return set
}
