// Command bench measures cria's engine against llama.cpp's own programs, and its
// programming model against dspy-rs.
//
//	go run ./bench peers      # once: builds llama.cpp's programs into the cache
//	go run ./bench decode     # one figure
//	go run ./bench engine     # all of them
//	go run ./bench overhead   # those of the programming model, which need no model
//	go run ./bench            # their names
//
// Every figure is a ratio taken in one run: for those of the engine this process loads
// the very libraries that the peers are linked with, and both sides get the same model
// file, the same tokens and as many threads. They take turns. The median of the
// ratios of the pairs is printed with an interval that covers the true median
// with at least 95 %, from the order statistics of the ratios, so that nothing
// is assumed about how times are distributed.
//
// A new figure is one function in a file of its own and one line in [figures], or in
// another of the [topics].
package main
