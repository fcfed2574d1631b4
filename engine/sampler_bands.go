package engine

import "math"

// bands are a row's logits, counted: how many there are in each 1/64 of a window,
// and where in it on average. That gives what the tokens of a band weigh, within
// 48 millionths, without an exponential for each of them.
//
// An offset is added to a logit that brings it between 128 and 256 if it is in the
// window: the bits of the sum then say where it is, in places of 2^-16.
type bands struct {
	tally  [bandCount]uint64 // of each band, the number of logits, from bit bandNumber on, and the sum of their places
	offset float32
	top    int // the highest band that has any
}

const (
	windowStart  = 128 // with the offset added; also the window's length
	startBits    = 0x43000000
	windowPlaces = 1 << 23
	unitPlaces   = windowPlaces / windowStart

	bandCount  = windowStart * expSteps
	bandPlaces = windowPlaces / bandCount
	bandNumber = 42

	// The places of so many tokens add up to less than bit bandNumber.
	maxBandRow = 1<<(bandNumber-23) - 1

	// The window is that of logits from -64 to 64.
	defaultOffset = 192
)

// The bounds of what the tokens of a band weigh, in relation to weight. It is less
// by rounding to half a place at most, exp(-2^-17), and more by that and by the
// second term of the exponential's series, at most (1/128)^2/2.
const (
	bandUnder = 1 - 8e-6
	bandOver  = 1 + 4e-5
)

// pRounding is by how much of it a candidate's probability may be rounded down.
const pRounding = 1.0 / (1 << 24)

// bandRest bounds the weight of a token that is expSize bands below the top one
// or further, in relation to the best.
var bandRest = math.Exp(1.0/32 - expSize/expSteps)

// offsetFor returns the offset that leaves as much of the window above a best
// logit as must be below it.
func offsetFor(best float32) float32 { return 2*windowStart - expSize/expSteps - best }

// fill counts a row. It reports whether that says enough: whether nothing is above
// the window or NaN, and what is below it is expSize bands below the best.
func (b *bands) fill(row []float32, offset float32) bool {
	if len(row) > maxBandRow {
		return false
	}
	clear(b.tally[:])
	for _, l := range row {
		place := math.Float32bits(l+offset) - startBits
		if place < windowPlaces {
			b.tally[place/bandPlaces] += 1<<bandNumber + uint64(place)
		} else if !(l+offset < windowStart) {
			return false
		}
	}
	b.offset, b.top = offset, bandCount-1
	for b.top >= expSize-1 && b.tally[b.top] == 0 {
		b.top--
	}
	return b.top >= expSize-1
}

// weight returns about what the tokens of a band weigh, in relation to one in the
// middle of the top band.
func (b *bands) weight(band int) float64 {
	number := int64(b.tally[band] >> bandNumber)
	places := int64(b.tally[band] % (1 << bandNumber))
	above := places - number*int64(band*bandPlaces+bandPlaces/2) // the middle of the band, summed
	return expTable[b.top-band] * (float64(number) + float64(above)/unitPlaces)
}

// cut returns the highest band which, with those above it, surely weighs p of a
// row of n tokens, or the last that matters, and what all below it weigh.
func (b *bands) cut(p float64, n int) (band int, below float64) {
	last := b.top - (expSize - 1)
	for i := last; i <= b.top; i++ {
		below += b.weight(i)
	}
	rest := float64(n) * bandRest
	near := 0.0
	for band = b.top; ; band-- {
		w := b.weight(band)
		near += w
		below = max(0, below-w)
		if band == last || (1-p-pRounding)*near*bandUnder >= p*(below*bandOver+rest) {
			return band, below
		}
	}
}

// edge returns the least logit of a band.
func (b *bands) edge(band int) float32 {
	// Half a place less is rounded up to the band.
	least := windowStart + float64(band)/expSteps - 0.5/unitPlaces - float64(b.offset)
	if l := float32(least); float64(l) >= least {
		return l
	}
	return math.Nextafter32(float32(least), float32(math.Inf(1)))
}

// middle returns the logit in the middle of the top band.
func (b *bands) middle() float64 {
	return windowStart + (float64(b.top)+0.5)/expSteps - float64(b.offset)
}
