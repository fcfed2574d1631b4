package hardware

import (
	"bufio"
	"bytes"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// linux reads the tables of a Linux machine: the running one's, or recorded ones.
type linux struct {
	root    fs.FS               // its file system
	getenv  func(string) string // its environment
	usable  func(string) bool   // whether this process may read and write a file
	allowed CPUSet              // hardware threads it may run on; nil: unknown
}

func (l *linux) machine() Machine {
	return Machine{
		CPU:     l.cpu(),
		Memory:  l.memory(),
		GPUs:    l.gpus(),
		Drivers: l.drivers(),
	}
}

// maxTable is more than any table that is read has.
const maxTable = 4 << 20

// read returns a file's text, "" if it cannot be read.
func (l *linux) read(name string) string {
	f, err := l.root.Open(strings.TrimPrefix(name, "/"))
	if err != nil {
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTable))
	if err != nil {
		return ""
	}
	return string(data)
}

func (l *linux) line(name string) string { return strings.TrimSpace(l.read(name)) }

func (l *linux) exists(name string) bool {
	_, err := fs.Stat(l.root, strings.TrimPrefix(name, "/"))
	return err == nil
}

// list returns the names in a folder, in order.
func (l *linux) list(dir string) (names []string) {
	entries, _ := fs.ReadDir(l.root, strings.TrimPrefix(dir, "/"))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// number reads a file that holds one number.
func (l *linux) number(name string) (uint64, bool) {
	n, err := strconv.ParseUint(l.line(name), 10, 64)
	return n, err == nil
}

// fields reads lines of a key and a value, such as "MemTotal: 24684092 kB" (with
// separator ":") or "inactive_file 4096" (with " "). The first of a key counts.
func (l *linux) fields(name, separator string) map[string]string {
	m := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(l.read(name)))
	lines.Buffer(nil, 1<<20) // flags of a CPU are long
	for lines.Scan() {
		key, value, ok := bytes.Cut(lines.Bytes(), []byte(separator))
		k := string(bytes.TrimSpace(key))
		if _, twice := m[k]; ok && !twice {
			m[k] = string(bytes.TrimSpace(value))
		}
	}
	return m
}

// bytesOf reads "24684092 kB".
func bytesOf(value string) uint64 {
	n, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
	if err != nil || n > 1<<53 {
		return 0
	}
	return n << 10
}

const cpuDir = "/sys/devices/system/cpu"

// cpu reads what there is in CPUs (sysfs-devices-system-cpu of the kernel's
// documentation).
func (l *linux) cpu() CPU {
	info := l.fields("/proc/cpuinfo", ":")
	c := CPU{Model: info["model name"], Allowed: l.allowed, Limit: l.cpuLimit(), Nodes: l.nodes()}
	if c.Model == "" { // of Arm, where boards have a name instead
		c.Model = strings.Trim(l.line("/proc/device-tree/model"), "\x00")
	}
	online, err := ParseCPUSet(l.line(cpuDir + "/online"))
	if err != nil || len(online) == 0 {
		online = l.allowed
	}
	fast := l.fastCPUs(online)
	cores, performance, allowed, allowedFast := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, cpu := range online {
		core := l.coreOf(cpu)
		cores[core] = true
		performance[core] = performance[core] || fast.Has(cpu)
		if l.allowed == nil || l.allowed.Has(cpu) {
			allowed[core] = true
			allowedFast[core] = allowedFast[core] || fast.Has(cpu)
		}
	}
	c.Logical, c.Cores = len(online), len(cores)
	c.PerformanceCores = trues(performance)
	if c.AllowedCores = trues(allowedFast); c.AllowedCores == 0 {
		c.AllowedCores = len(allowed)
	}
	if c.Allowed == nil {
		c.Allowed = online
	}
	return c
}

func trues(m map[string]bool) (n int) {
	for _, yes := range m {
		if yes {
			n++
		}
	}
	return n
}

// coreOf names the core of a hardware thread: the list of the core's hardware threads.
func (l *linux) coreOf(cpu int) string {
	number := strconv.Itoa(cpu)
	if list := l.line(cpuDir + "/cpu" + number + "/topology/thread_siblings_list"); list != "" {
		return list
	}
	return number
}

// fastCPUs are the hardware threads of the fast cores where there are several kinds,
// else all of them.
func (l *linux) fastCPUs(online CPUSet) CPUSet {
	// Intel's hybrid processors: a counter each for the kinds of cores.
	if fast, err := ParseCPUSet(l.line("/sys/devices/cpu_core/cpus")); err == nil && len(fast) > 0 {
		return fast
	}
	// Arm's: how much a core computes, of 1024.
	capacity := map[int]uint64{}
	most := uint64(0)
	for _, cpu := range online {
		capacity[cpu], _ = l.number(cpuDir + "/cpu" + strconv.Itoa(cpu) + "/cpu_capacity")
		most = max(most, capacity[cpu])
	}
	var fast CPUSet
	for _, cpu := range online {
		// Of three kinds, the second is three quarters of the first and more, the
		// third a third and less.
		if 2*capacity[cpu] >= most {
			fast = append(fast, cpu)
		}
	}
	return fast
}

const nodeDir = "/sys/devices/system/node"

func (l *linux) nodes() (nodes []Node) {
	for _, name := range l.list(nodeDir) {
		digits, ok := strings.CutPrefix(name, "node")
		id, err := strconv.Atoi(digits)
		if !ok || err != nil {
			continue
		}
		cpus, err := ParseCPUSet(l.line(path.Join(nodeDir, name, "cpulist")))
		if err != nil {
			continue
		}
		if len(cpus) == 0 { // memory of a device, or of no processor in particular
			continue
		}
		total, _ := l.nodeMemory(id)
		nodes = append(nodes, Node{id, cpus, total})
	}
	return nodes
}

// nodeMemory is what a NUMA node has, and what of it is free or holds files.
func (l *linux) nodeMemory(id int) (total, free uint64) {
	node := "Node " + strconv.Itoa(id) + " "
	info := l.fields(path.Join(nodeDir, "node"+strconv.Itoa(id), "meminfo"), ":")
	return bytesOf(info[node+"MemTotal"]), bytesOf(info[node+"MemFree"]) + bytesOf(info[node+"Active(file)"]) + bytesOf(info[node+"Inactive(file)"])
}

// memory reads /proc/meminfo (proc_meminfo(5)) and the control group's limit.
func (l *linux) memory() Memory {
	info := l.fields("/proc/meminfo", ":")
	m := Memory{Total: bytesOf(info["MemTotal"]), Available: bytesOf(info["MemAvailable"])}
	if m.Available == 0 { // before Linux 3.14, and where /proc is another's
		m.Available = bytesOf(info["MemFree"])
	}
	if limit, left, ok := l.memoryLimit(); ok && (limit < m.Total || m.Total == 0) {
		m.Limit, m.Left = limit, left
	}
	if total, free, ok := l.allowedMemory(); ok {
		m.Total, m.Available = total, min(m.Available, free)
	}
	return m
}

// allowedMemory is that of the NUMA nodes that this process may take memory of
// (cpuset.mems), false if it may take it of all.
func (l *linux) allowedMemory() (total, free uint64, ok bool) {
	allowed, err := ParseCPUSet(l.fields("/proc/self/status", ":")["Mems_allowed_list"])
	online, err2 := ParseCPUSet(l.line(nodeDir + "/has_memory"))
	if err != nil || err2 != nil || len(allowed) == 0 || len(allowed) >= len(online) {
		return 0, 0, false
	}
	for _, id := range allowed {
		t, f := l.nodeMemory(id)
		total, free = total+t, free+f
	}
	return total, free, true
}
