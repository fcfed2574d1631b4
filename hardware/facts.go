package hardware

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
)

// A Fact is a line for people.
type Fact struct {
	What string // "CPU"
	Text string
}

// Facts tells people what the machine has, without what does not bear on a choice.
func (m Machine) Facts() []Fact {
	facts := []Fact{{"CPU", m.CPU.text()}}
	if len(m.CPU.Nodes) > 1 {
		facts = append(facts, Fact{"NUMA", m.CPU.nodesText()})
	}
	facts = append(facts, Fact{"memory", m.Memory.text()})
	for _, g := range m.GPUs {
		facts = append(facts, Fact{"GPU", m.gpuText(g)})
	}
	if len(m.GPUs) == 0 {
		facts = append(facts, Fact{"GPU", "none that llama.cpp computes on"})
	} else if m.OS != "darwin" {
		facts = append(facts, Fact{"GPU libraries", m.Drivers.text()})
	}
	for _, d := range m.Devices {
		if !d.isGPU() { // the CPU stands above, with what this process may have
			continue
		}
		facts = append(facts, Fact{"device", fmt.Sprintf("%s (%s): %s, %s of %s free", d.Name, d.Backend.Title(), d.Description, humanize.IBytes(d.Free), humanize.IBytes(d.Total))})
	}
	return facts
}

func (c CPU) text() string {
	var b strings.Builder
	if c.Model != "" {
		b.WriteString(c.Model + ": ")
	}
	b.WriteString(english.Plural(c.Cores, "core", ""))
	if c.PerformanceCores < c.Cores {
		fmt.Fprintf(&b, " (%d of them fast)", c.PerformanceCores)
	}
	fmt.Fprintf(&b, ", %s", english.Plural(c.Logical, "hardware thread", ""))
	if len(c.Allowed) < c.Logical {
		fmt.Fprintf(&b, "; this process may run on %v only", c.Allowed)
	}
	if c.Limit > 0 {
		fmt.Fprintf(&b, "; limited to %.3g CPUs", c.Limit)
	}
	return b.String()
}

func (c CPU) nodesText() string {
	var parts []string
	for _, n := range c.Nodes {
		parts = append(parts, fmt.Sprintf("node %d: CPUs %v, %s", n.ID, n.CPUs, humanize.IBytes(n.Memory)))
	}
	return strings.Join(parts, "; ")
}

func (m Memory) text() string {
	if m.Size() == 0 {
		return "this system does not say"
	}
	text := fmt.Sprintf("%s of %s available", humanize.IBytes(m.Available), humanize.IBytes(m.Total))
	if m.Limit > 0 {
		text += fmt.Sprintf("; limited to %s, of which %s are left", humanize.IBytes(m.Limit), humanize.IBytes(m.Left))
	}
	return text
}

func (m Machine) gpuText(g GPU) string {
	text := g.Title()
	if g.Memory > 0 {
		text += ", " + humanize.IBytes(g.Memory)
	}
	if g.Address != "" {
		text += " at " + g.Address
	}
	switch {
	case m.OS == "darwin":
	case g.Driver == "nvidia" && m.Drivers.NVIDIA != "":
		text += ", driver nvidia " + m.Drivers.NVIDIA
	case g.Driver != "":
		text += ", driver " + g.Driver
	default:
		text += ", no driver"
	}
	return text
}

func (d Drivers) text() string {
	if len(d.Libraries) == 0 {
		return "none"
	}
	names := make([]string, len(d.Libraries))
	for i, l := range d.Libraries {
		names[i] = l.Name
	}
	return strings.Join(names, ", ")
}

// Facts tells people what the plan is and why.
func (p Plan) Facts() []Fact {
	var facts []Fact
	for _, r := range p.Reasons {
		facts = append(facts, Fact{r.Choice, r.Value + ": " + r.Why})
	}
	return append(facts, Fact{"memory taken", p.memoryText()})
}

func (p Plan) memoryText() string {
	var parts []string
	for i, name := range p.Devices {
		if i < len(p.Need.Devices) {
			parts = append(parts, fmt.Sprintf("%s on %s", humanize.IBytes(p.Need.Devices[i]), name))
		}
	}
	host := humanize.IBytes(p.Need.Host) + " of main memory"
	if len(parts) == 0 {
		host = "up to " + host + ", as the cache grows"
	}
	return strings.Join(append(parts, host), ", ")
}
