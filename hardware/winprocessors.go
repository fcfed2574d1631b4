package hardware

import (
	"encoding/binary"
	"math/bits"
)

// The layout of SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX for RelationProcessorCore
// (winnt.h), 64 bits.
const (
	coreSize       = 4 // bytes of the record
	coreEfficiency = 9 // class of the core: the larger, the faster
	coreGroups     = 30
	coreMasks      = 32
	coreMaskSize   = 16
	coreGroup      = 8 // of a mask: the group of processors it is about
	groupSize      = 64
)

// readWindowsCores reads what GetLogicalProcessorInformationEx says of cores: a record
// each. Processors are numbered group by group. affinity is the process's mask in its
// group, the first; 0 if it may run anywhere.
func readWindowsCores(buf []byte, affinity uint64) (c CPU) {
	type core struct {
		class   byte
		allowed bool
	}
	var cores []core
	best := byte(0)
	for len(buf) >= coreMasks {
		size := int(binary.LittleEndian.Uint32(buf[coreSize:]))
		if size < coreMasks || size > len(buf) {
			break
		}
		k := core{class: buf[coreEfficiency]}
		for i := range int(binary.LittleEndian.Uint16(buf[coreGroups:])) {
			at := coreMasks + i*coreMaskSize
			if at+coreMaskSize > size {
				break
			}
			mask := binary.LittleEndian.Uint64(buf[at:])
			group := int(binary.LittleEndian.Uint16(buf[at+coreGroup:]))
			c.Logical += bits.OnesCount64(mask)
			if affinity != 0 {
				mask &= affinity
				if group != 0 {
					mask = 0
				}
			}
			for m := mask; m != 0; m &= m - 1 {
				c.Allowed = append(c.Allowed, group*groupSize+bits.TrailingZeros64(m))
			}
			k.allowed = k.allowed || mask != 0
		}
		best = max(best, k.class)
		cores = append(cores, k)
		buf = buf[size:]
	}
	allowed := 0
	for _, k := range cores {
		fast := k.class == best
		if fast {
			c.PerformanceCores++
		}
		if k.allowed {
			allowed++
		}
		if fast && k.allowed {
			c.AllowedCores++
		}
	}
	c.Cores = len(cores)
	if c.AllowedCores == 0 {
		c.AllowedCores = allowed
	}
	return c
}
