package hardware

// rules are what the graph of an architecture has that its tensor table does not
// show. The zero rules are those of Llama: root mean square norms before attention
// and feed-forward network, a rotary embedding, a cache.
type rules struct {
	noCache    bool // an encoder: tokens attend to those of their batch
	noOutput   bool // no output matrix: embeddings are all that it makes
	layerNorm  bool // norms that subtract the mean, which need memory of their own
	noRotation bool

	// Layers with a sliding window: all but one of a period, the last or, if
	// fullFirst, the first. 0: none have.
	period    int
	fullFirst bool

	sumsBefore  bool // sums of residual and result take the residual's place
	normLate    bool // post_attention_norm stands behind the sum, as ffn_norm elsewhere
	allRows     bool // the last layer computes all tokens, not only those with logits
	normedRows  bool // and so does the norm behind it
	gated       bool // queries have gates, which the result of attention is multiplied with
	normsValues bool // values pass a norm
	normsFirst  bool // the norm before attention is computed before all that follows
	plainGates  bool // the weights of the experts chosen are not made to sum to 1
	softmaxLate bool // the experts' weights are a softmax of those chosen
	bothPaths   bool // attention and a recurrent part in each layer, side by side
}

// architectures are those whose graphs are known: what src/models of llama.cpp
// v0.5.0 builds has been compared for each, by tests.
var architectures = map[string]rules{
	"llama":   {},
	"qwen2":   {},
	"qwen3":   {},
	"smollm3": {},
	"phi3":    {},
	"gemma":   {},
	"gemma2":  {period: 2},
	"gemma3":  {period: 6},
	"olmo2":   {period: 4},
	"granite": {},

	"mistral3": {},
	"ernie4_5": {},
	"exaone4":  {period: 4},
	"seed_oss": {normLate: true},
	"gemma4":   {period: 6, allRows: true, normedRows: true, normsValues: true},

	"qwen2moe":   {plainGates: true},
	"qwen3moe":   {},
	"olmoe":      {plainGates: true},
	"granitemoe": {},
	"gpt-oss":    {period: 2, normLate: true, allRows: true, softmaxLate: true, plainGates: true},

	"mamba":         {},
	"mamba2":        {},
	"jamba":         {sumsBefore: true, noRotation: true, plainGates: true},
	"falcon-h1":     {bothPaths: true},
	"granitehybrid": {},
	"qwen35":        {normLate: true, allRows: true, normedRows: true, gated: true, normsFirst: true},
	"lfm2":          {sumsBefore: true},
	"lfm2moe":       {sumsBefore: true},

	"bert":            {noCache: true, noOutput: true, layerNorm: true, noRotation: true},
	"nomic-bert":      {noCache: true, noOutput: true, layerNorm: true},
	"modern-bert":     {noCache: true, noOutput: true, layerNorm: true, period: 3, fullFirst: true},
	"gemma-embedding": {noCache: true, period: 6},
}
