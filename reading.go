package cria

// ReplyReader is an [Adapter] that tells how it read a reply; those of this package do.
// A predictor reads replies by ReadReply then, so that an adapter which embeds one of
// them and has a Parse of its own needs a ReadReply too.
type ReplyReader interface {
	Adapter

	// ReadReply is Parse with the details, which are those of the values that could be
	// read if there is an error.
	ReadReply(*Signature, Message) (Reading, error)
}

// Reading is what a [ReplyReader] finds in a reply.
type Reading struct {
	Values    Example
	Coercions []Coercion // in the order of the outputs

	// CutOff is the output that would not be whole if the reply was cut off at its
	// token limit: one that is missing, or that the reply ends in, unless that is text,
	// which may be cut. Empty: none.
	CutOff string
}

// readReply reads a reply in as much detail as the adapter can. Of one that cannot tell,
// the last output counts as what the reply ends in.
func readReply(a Adapter, sig *Signature, reply Message) (Reading, error) {
	if reader, ok := a.(ReplyReader); ok {
		return reader.ReadReply(sig, reply)
	}
	values, err := a.Parse(sig, reply)
	r := Reading{Values: values}
	if last := sig.outputs[len(sig.outputs)-1]; last.Type.Kind != KindString {
		r.CutOff = last.Name
	}
	return r, err
}

// truncated is the error of a reply that was cut off in a value.
func (r Reading) truncated(raw string) *ParseError {
	cut := &FieldError{Field: r.CutOff, Text: r.Values.Text(r.CutOff), Err: ErrTruncated}
	delete(r.Values, r.CutOff)
	return &ParseError{Fields: []*FieldError{cut}, Partial: r.Values, Raw: raw}
}
