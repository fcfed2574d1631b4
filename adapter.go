package cria

// Adapter turns a signature and its inputs into a request, and a reply back
// into output values. It owns no model. Implementations are safe for concurrent
// use. [Lines] is the default; [OutputFormat] has the others.
type Adapter interface {
	// Format writes the request. Inputs that do not fit the signature give an
	// *[InputError].
	Format(*Signature, Example) (*Request, error)

	// Parse reads the assistant's whole turn, prefill included. When a field is
	// missing or of the wrong type it returns what it could read together with
	// a *[ParseError].
	Parse(*Signature, Message) (Example, error)
}
