package hardware

import (
	"math"
	"path"
	"strconv"
	"strings"
)

// Control groups limit what a container has. A process is in one group of each
// hierarchy, and the limits of all groups above it count too. Version 2 has one
// hierarchy for everything, version 1 one for each kind of limit (cgroups(7)).

// groups returns the folders of the process's control group and of those above it
// that can be seen, the own one first. controller is "memory" or "cpu".
func (l *linux) groups(controller string) (dirs []string, v2 bool) {
	own, ownV2 := l.ownGroups(controller)
	mounts := l.read("/proc/self/mountinfo")
	for line := range strings.Lines(mounts) {
		if m, ok := parseMount(line); ok && own != "" && m.kind == "cgroup" && m.has(controller) {
			return upwards(m, own), false
		}
	}
	for line := range strings.Lines(mounts) {
		if m, ok := parseMount(line); ok && ownV2 != "" && m.kind == "cgroup2" {
			return upwards(m, ownV2), true
		}
	}
	return nil, false
}

// ownGroups reads /proc/self/cgroup: lines of hierarchy:controllers:path, version 2
// as 0::path. Either may be empty.
func (l *linux) ownGroups(controller string) (v1, v2 string) {
	for line := range strings.Lines(l.read("/proc/self/cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if parts[0] == "0" && parts[1] == "" {
			v2 = parts[2]
		}
		for name := range strings.SplitSeq(parts[1], ",") {
			if name == controller {
				v1 = parts[2]
			}
		}
	}
	return v1, v2
}

// A mount is a line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
type mount struct {
	root    string // what of the hierarchy is mounted
	point   string // where
	kind    string // of file system
	options string // of the file system
}

func parseMount(line string) (mount, bool) {
	before, after, ok := strings.Cut(line, " - ")
	f, g := strings.Fields(before), strings.Fields(after)
	if !ok || len(f) < 5 || len(g) < 3 {
		return mount{}, false
	}
	return mount{root: f[3], point: f[4], kind: g[0], options: g[2]}, true
}

func (m mount) has(option string) bool {
	for o := range strings.SplitSeq(m.options, ",") {
		if o == option {
			return true
		}
	}
	return false
}

// upwards returns the folder of a group and those above it, up to where the hierarchy
// is mounted. In a container the group's path may be that of the host, of which only a
// part is mounted: then what is mounted is the group.
func upwards(m mount, group string) (dirs []string) {
	rest, ok := group, true
	if m.root != "/" {
		rest, ok = strings.CutPrefix(group, m.root)
		ok = ok && (rest == "" || rest[0] == '/')
	}
	if !ok || strings.Contains(group, "..") {
		rest = ""
	}
	for dir := path.Join(m.point, rest); ; dir = path.Dir(dir) {
		dirs = append(dirs, dir)
		if dir == m.point || len(dir) <= len(m.point) {
			return dirs
		}
	}
}

// memoryLimit returns the limit of the group that has the least left, and what is left
// under it. Cached files are counted as left, since they give way: so does the kernel
// in MemAvailable, and a mapped model is nothing else.
func (l *linux) memoryLimit() (limit, left uint64, ok bool) {
	dirs, v2 := l.groups("memory")
	limitFile, usageFile, prefix := "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"
	if v2 {
		limitFile, usageFile, prefix = "memory.max", "memory.current", ""
	}
	for _, dir := range dirs {
		most, isLimit := l.number(path.Join(dir, limitFile))
		if high, isHigh := l.number(path.Join(dir, "memory.high")); v2 && isHigh && (!isLimit || high < most) {
			most, isLimit = high, true // above it, the group is slowed down
		}
		if !isLimit || most >= math.MaxInt64>>1 { // version 1 writes no limit as the largest number of pages
			continue
		}
		used, _ := l.number(path.Join(dir, usageFile))
		stat := l.fields(path.Join(dir, "memory.stat"), " ")
		for _, name := range []string{"active_file", "inactive_file"} {
			cached, _ := strconv.ParseUint(stat[prefix+name], 10, 64)
			used -= min(used, cached)
		}
		room := most - min(most, used)
		if !ok || room < left {
			limit, left, ok = most, room, true
		}
	}
	return limit, left, ok
}

// cpuLimit returns how many CPUs' worth of time the groups grant, 0 for no limit.
func (l *linux) cpuLimit() (limit float64) {
	dirs, v2 := l.groups("cpu")
	for _, dir := range dirs {
		quota, period := l.line(path.Join(dir, "cpu.cfs_quota_us")), l.line(path.Join(dir, "cpu.cfs_period_us"))
		if v2 {
			quota, period, _ = strings.Cut(l.line(path.Join(dir, "cpu.max")), " ")
		}
		q, err1 := strconv.ParseInt(quota, 10, 64)
		p, err2 := strconv.ParseInt(period, 10, 64)
		if err1 != nil || err2 != nil || q <= 0 || p <= 0 { // "max", or -1
			continue
		}
		if cpus := float64(q) / float64(p); limit == 0 || cpus < limit {
			limit = cpus
		}
	}
	return limit
}
