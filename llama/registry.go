package llama

import "sync"

// registry guards ggml's list of backends and their devices, which are C++ vectors without
// a lock of their own: it is held to read while C reads them, and to write while a backend
// is added.
var registry sync.RWMutex
