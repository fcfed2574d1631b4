package hardware

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A CPUSet is the numbers of hardware threads, in order. It is written as the
// kernel writes such lists: "0-3,8".
type CPUSet []int

// maxCPU is above every number that a kernel gives (CONFIG_NR_CPUS is at most 8192),
// so that a list such as "0-999999999999" is not taken at its word.
const maxCPU = 1 << 16

// ParseCPUSet reads a list of numbers and ranges. An empty list is the empty set.
func ParseCPUSet(list string) (CPUSet, error) {
	var set CPUSet
	if list = strings.TrimSpace(list); list == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		last := first
		if err == nil && isRange {
			last, err = strconv.Atoi(to)
		}
		if err != nil || first < 0 || last < first || last > maxCPU {
			return nil, fmt.Errorf("hardware: list of CPUs %q: %q is neither a number nor a range", list, part)
		}
		for cpu := first; cpu <= last; cpu++ {
			set = append(set, cpu)
		}
	}
	slices.Sort(set)
	return slices.Compact(set), nil
}

// Has reports whether the set has a hardware thread.
func (s CPUSet) Has(cpu int) bool {
	_, ok := slices.BinarySearch(s, cpu)
	return ok
}

func (s CPUSet) String() string {
	var b strings.Builder
	for i := 0; i < len(s); {
		j := i
		for j+1 < len(s) && s[j+1] == s[j]+1 {
			j++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(s[i]))
		if j > i {
			b.WriteString("-" + strconv.Itoa(s[j]))
		}
		i = j + 1
	}
	return b.String()
}

// MarshalText implements [encoding.TextMarshaler].
func (s CPUSet) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *CPUSet) UnmarshalText(text []byte) (err error) {
	*s, err = ParseCPUSet(string(text))
	return err
}
