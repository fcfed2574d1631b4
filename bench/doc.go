// Command bench measures cria's engine against llama.cpp's own programs.
//
//	go run ./bench peers    # once: builds llama.cpp's programs into the cache
//	go run ./bench decode   # one figure
//	go run ./bench engine   # all of them
//	go run ./bench          # their names
//
// Every figure is a ratio taken in one run: this process loads the very
// libraries that the peers are linked with, both sides get the same model file,
// the same tokens and as many threads, and they take turns. The median of the
// ratios of the pairs is printed with an interval that covers the true median
// with at least 95 %, from the order statistics of the ratios, so that nothing
// is assumed about how times are distributed.
//
// A new figure is one function in a file of its own and one line in [figures].
package main
