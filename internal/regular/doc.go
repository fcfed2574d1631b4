// Package regular is an algebra of regular languages over bytes: union,
// intersection, complement, concatenation and repetition, and the derivative by a
// byte, which is what may follow it. Automata are never built as a whole: a language
// is the state, its derivatives are the next ones, and each is computed once.
//
//	s := regular.NewSpace()
//	digits := s.Repeat(s.Set('0', '9'), 1, 3)
//	even := s.Intersection(digits, s.Complement(s.Literal("7")))
//	rest := s.Derive(even, '7') // what may follow a 7
//
// The method is that of Brzozowski (Derivatives of Regular Expressions, 1964), with
// classes of bytes that have the same derivative after Owens, Reppy and Turon
// (Regular-expression derivatives re-examined, 2009).
package regular
