package llama

// symbol is a C function: its name and the variable that holds its address.
type symbol struct {
	name string
	addr *uintptr
}

// c holds the addresses of the C functions. [Load] writes it once, before
// anything else can read it.
var c struct {
	version, backendInit, systemInfo, logSet, maxDevices, maxSequences, supportsOffload uintptr

	modelDefaultParams, modelLoad, modelLoadSplits, modelFree, modelVocab, modelDesc, modelSize,
	modelNParams, modelNCtxTrain, modelNEmbd, modelNEmbdOut, modelNLayer, modelNHead, modelNHeadKV, modelNSWA,
	modelHasEncoder, modelHasDecoder, modelIsRecurrent, modelIsHybrid, modelIsDiffusion,
	modelMetaCount, modelMetaKey, modelMetaValAt, modelMetaVal, modelChatTemplate, chatApply, chatBuiltin uintptr

	vocabNTokens, vocabType, vocabText, vocabAttr, vocabIsEOG, vocabIsControl, vocabBOS, vocabEOS,
	vocabEOT, vocabNL, vocabPAD, vocabSEP, vocabAddBOS, vocabAddEOS, tokenize, tokenToPiece, detokenize uintptr

	contextDefaultParams, contextInit, contextFree, nCtx, nCtxSeq, nBatch, nUbatch, nSeqMax, getMemory,
	setNThreads, setAbort, attachThreadPool, synchronize, decode, logitsIth,
	batchInit, batchFree uintptr

	encode, embeddingsIth, embeddingsSeq, poolingType uintptr

	stateSize, stateGet, stateSet, stateSeqSize, stateSeqGet, stateSeqSet uintptr

	loraInit, loraFree, loraMeta, setLoRAs uintptr

	memClear, memRemove, memCopy, memPosMin, memPosMax, memCanShift uintptr

	samplerChainParams, samplerChainInit, samplerChainAdd, samplerChainN, samplerFree, samplerAccept, samplerApply,
	samplerSample, samplerReset, samplerGreedy, samplerDist, samplerTopK, samplerTopP, samplerMinP,
	samplerTemp, samplerPenalties, samplerTypical, samplerMirostat, samplerDRY, samplerLogitBias, samplerGrammar uintptr

	quantizeParams, quantize uintptr

	backendLoad, regByName, devCount, devGet uintptr

	ggmlLogSet, ggmlVersion, threadPoolParamsInit, regProcAddress, regName, devName, devDescription, devType, devMemory, devProps, devReg uintptr

	// Of the CPU backend; 0 if it has none.
	threadPoolNew, threadPoolFree uintptr
}

// versionSymbols are resolved first, so that a library of another release is
// named as such before one of its other symbols is missed.
var versionSymbols = []symbol{{"llama_version", &c.version}}

var llamaSymbols = []symbol{
	{"llama_backend_init", &c.backendInit},
	{"llama_print_system_info", &c.systemInfo},
	{"llama_log_set", &c.logSet},
	{"llama_max_devices", &c.maxDevices},
	{"llama_max_parallel_sequences", &c.maxSequences},
	{"llama_supports_gpu_offload", &c.supportsOffload},

	{"llama_model_default_params", &c.modelDefaultParams},
	{"llama_model_load_from_file", &c.modelLoad},
	{"llama_model_load_from_splits", &c.modelLoadSplits},
	{"llama_model_free", &c.modelFree},
	{"llama_model_get_vocab", &c.modelVocab},
	{"llama_model_desc", &c.modelDesc},
	{"llama_model_size", &c.modelSize},
	{"llama_model_n_params", &c.modelNParams},
	{"llama_model_n_ctx_train", &c.modelNCtxTrain},
	{"llama_model_n_embd", &c.modelNEmbd},
	{"llama_model_n_embd_out", &c.modelNEmbdOut},
	{"llama_model_n_layer", &c.modelNLayer},
	{"llama_model_n_head", &c.modelNHead},
	{"llama_model_n_head_kv", &c.modelNHeadKV},
	{"llama_model_n_swa", &c.modelNSWA},
	{"llama_model_has_encoder", &c.modelHasEncoder},
	{"llama_model_has_decoder", &c.modelHasDecoder},
	{"llama_model_is_recurrent", &c.modelIsRecurrent},
	{"llama_model_is_hybrid", &c.modelIsHybrid},
	{"llama_model_is_diffusion", &c.modelIsDiffusion},
	{"llama_model_meta_count", &c.modelMetaCount},
	{"llama_model_meta_key_by_index", &c.modelMetaKey},
	{"llama_model_meta_val_str_by_index", &c.modelMetaValAt},
	{"llama_model_meta_val_str", &c.modelMetaVal},
	{"llama_model_chat_template", &c.modelChatTemplate},
	{"llama_chat_apply_template", &c.chatApply},
	{"llama_chat_builtin_templates", &c.chatBuiltin},

	{"llama_vocab_n_tokens", &c.vocabNTokens},
	{"llama_vocab_type", &c.vocabType},
	{"llama_vocab_get_text", &c.vocabText},
	{"llama_vocab_get_attr", &c.vocabAttr},
	{"llama_vocab_is_eog", &c.vocabIsEOG},
	{"llama_vocab_is_control", &c.vocabIsControl},
	{"llama_vocab_bos", &c.vocabBOS},
	{"llama_vocab_eos", &c.vocabEOS},
	{"llama_vocab_eot", &c.vocabEOT},
	{"llama_vocab_nl", &c.vocabNL},
	{"llama_vocab_pad", &c.vocabPAD},
	{"llama_vocab_sep", &c.vocabSEP},
	{"llama_vocab_get_add_bos", &c.vocabAddBOS},
	{"llama_vocab_get_add_eos", &c.vocabAddEOS},
	{"llama_tokenize", &c.tokenize},
	{"llama_token_to_piece", &c.tokenToPiece},
	{"llama_detokenize", &c.detokenize},

	{"llama_context_default_params", &c.contextDefaultParams},
	{"llama_init_from_model", &c.contextInit},
	{"llama_free", &c.contextFree},
	{"llama_n_ctx", &c.nCtx},
	{"llama_n_ctx_seq", &c.nCtxSeq},
	{"llama_n_batch", &c.nBatch},
	{"llama_n_ubatch", &c.nUbatch},
	{"llama_n_seq_max", &c.nSeqMax},
	{"llama_get_memory", &c.getMemory},
	{"llama_set_n_threads", &c.setNThreads},
	{"llama_set_abort_callback", &c.setAbort},
	{"llama_attach_threadpool", &c.attachThreadPool},
	{"llama_synchronize", &c.synchronize},
	{"llama_decode", &c.decode},
	{"llama_get_logits_ith", &c.logitsIth},
	{"llama_batch_init", &c.batchInit},
	{"llama_batch_free", &c.batchFree},

	{"llama_encode", &c.encode},
	{"llama_get_embeddings_ith", &c.embeddingsIth},
	{"llama_get_embeddings_seq", &c.embeddingsSeq},
	{"llama_pooling_type", &c.poolingType},

	{"llama_state_get_size", &c.stateSize},
	{"llama_state_get_data", &c.stateGet},
	{"llama_state_set_data", &c.stateSet},
	{"llama_state_seq_get_size", &c.stateSeqSize},
	{"llama_state_seq_get_data", &c.stateSeqGet},
	{"llama_state_seq_set_data", &c.stateSeqSet},

	{"llama_adapter_lora_init", &c.loraInit},
	{"llama_adapter_lora_free", &c.loraFree},
	{"llama_adapter_meta_val_str", &c.loraMeta},
	{"llama_set_adapters_lora", &c.setLoRAs},

	{"llama_memory_clear", &c.memClear},
	{"llama_memory_seq_rm", &c.memRemove},
	{"llama_memory_seq_cp", &c.memCopy},
	{"llama_memory_seq_pos_min", &c.memPosMin},
	{"llama_memory_seq_pos_max", &c.memPosMax},
	{"llama_memory_can_shift", &c.memCanShift},

	{"llama_sampler_chain_default_params", &c.samplerChainParams},
	{"llama_sampler_chain_init", &c.samplerChainInit},
	{"llama_sampler_chain_add", &c.samplerChainAdd},
	{"llama_sampler_chain_n", &c.samplerChainN},
	{"llama_sampler_free", &c.samplerFree},
	{"llama_sampler_accept", &c.samplerAccept},
	{"llama_sampler_apply", &c.samplerApply},
	{"llama_sampler_sample", &c.samplerSample},
	{"llama_sampler_reset", &c.samplerReset},
	{"llama_sampler_init_greedy", &c.samplerGreedy},
	{"llama_sampler_init_dist", &c.samplerDist},
	{"llama_sampler_init_top_k", &c.samplerTopK},
	{"llama_sampler_init_top_p", &c.samplerTopP},
	{"llama_sampler_init_min_p", &c.samplerMinP},
	{"llama_sampler_init_temp", &c.samplerTemp},
	{"llama_sampler_init_penalties", &c.samplerPenalties},
	{"llama_sampler_init_typical", &c.samplerTypical},
	{"llama_sampler_init_mirostat_v2", &c.samplerMirostat},
	{"llama_sampler_init_dry", &c.samplerDRY},
	{"llama_sampler_init_logit_bias", &c.samplerLogitBias},
	{"llama_sampler_init_grammar", &c.samplerGrammar},

	{"llama_model_quantize_default_params", &c.quantizeParams},
	{"llama_model_quantize", &c.quantize},
}

var ggmlSymbols = []symbol{
	{"ggml_backend_load", &c.backendLoad},
	{"ggml_backend_reg_by_name", &c.regByName},
	{"ggml_backend_dev_count", &c.devCount},
	{"ggml_backend_dev_get", &c.devGet},
}

var baseSymbols = []symbol{
	{"ggml_version", &c.ggmlVersion},
	{"ggml_log_set", &c.ggmlLogSet},
	{"ggml_threadpool_params_init", &c.threadPoolParamsInit},
	{"ggml_backend_reg_get_proc_address", &c.regProcAddress},
	{"ggml_backend_dev_name", &c.devName},
	{"ggml_backend_dev_description", &c.devDescription},
	{"ggml_backend_dev_type", &c.devType},
	{"ggml_backend_dev_memory", &c.devMemory},
	{"ggml_backend_dev_get_props", &c.devProps},
	{"ggml_backend_dev_backend_reg", &c.devReg},
	{"ggml_backend_reg_name", &c.regName},
}
