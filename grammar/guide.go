package grammar

// Guide returns how many tokens of a guess may come next, one after the other, and sets
// in certain, for each of them, whether no other text may come there. It changes nothing.
// Tokens that would be dropped are not output, so a guess ends before them.
func (m *Matcher) Guide(guess []int32, certain []bool) int {
	if len(m.run) > 0 {
		return 0
	}
	at := *m  // its steps are not needed
	sure := 0 // bytes that must come
	for i, token := range guess {
		if at.Done() {
			return i
		}
		next, text, verdict := at.try(token)
		if verdict != take {
			return i
		}
		if sure == 0 {
			sure = len(at.state.forcedText().text)
		}
		certain[i] = len(text) <= sure
		sure = max(0, sure-len(text))
		at.state = next
	}
	return len(guess)
}
