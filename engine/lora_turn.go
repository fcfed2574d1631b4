package engine

import "time"

// setTime is for how long one set of adapters computes while requests of others wait. A
// context has one set at a time, and to change it costs 4 to 6 ms with a model of 135M
// parameters, since llama.cpp then lays out its buffers anew.
const setTime = 100 * time.Millisecond

// takeTurn gives the context the adapters whose turn it is, and reports whether it had
// others before: it stays with those that it has while they have something to compute
// and nobody else has waited for too long; then comes who has waited the longest.
func (e *Engine) takeTurn(slots []*slot) (changed bool) {
	if len(e.adapters) == 0 {
		return false
	}
	var oldest *slot // of another set
	busy := false
	for _, s := range slots {
		switch {
		case !s.runs() || s.waits():
		case s.job.loras.key() == e.loras.key():
			busy = true
		case oldest == nil || s.fedAt.Before(oldest.fedAt):
			oldest = s
		}
	}
	if oldest == nil || busy && time.Since(oldest.fedAt) < setTime {
		return false
	}
	e.loras = oldest.job.loras
	if e.loras == nil {
		e.llm.SetLoRAs(nil, nil)
	} else {
		e.llm.SetLoRAs(e.loras.loras, e.loras.scales)
	}
	return true
}
