package hardware

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/cria-lm/cria/gguf"
)

// maxSplit is how many devices llama.cpp spreads a model over (llama_max_devices).
const maxSplit = 16

// place puts layers on devices, sizes the context and says why.
func (c *choice) place(p *Plan) error {
	p.ContextLength = c.workingContext()
	p.CacheLength = max(p.ContextLength, c.req.CacheLength)
	p.KV = c.kvTypes()[0]
	if p.Backend == BackendCPU || !c.onDevices(p) {
		if err := c.onHost(p); err != nil {
			return err
		}
	}
	c.lengthen(p)
	p.Need = c.needs(p.placement())
	c.explainMemory(p)
	return nil
}

// workingContext is the context that a placement must have room for.
func (c *choice) workingContext() int {
	asked := cmp.Or(c.req.ContextLength, WorkingContext)
	if trained := c.model.ContextLength; trained > 0 {
		return min(trained, asked)
	}
	return asked
}

// kvTypes are the types of cached keys and values that may be taken, the best first. What
// Q8_0 saves is worth its rounding only where a context would not be had otherwise.
func (c *choice) kvTypes() []gguf.TensorType {
	switch {
	case c.req.KV != 0:
		return []gguf.TensorType{c.req.KV}
	case c.req.ContextLength > 0 && c.model.QuantizedKV && c.req.FlashAttention != FlashOff:
		return []gguf.TensorType{gguf.F16, gguf.Q8_0}
	}
	return []gguf.TensorType{gguf.F16}
}

// onDevices puts the model on the fewest devices that hold it whole, or else as many
// layers as there is room for on all, and reports false if there is no room for any.
func (c *choice) onDevices(p *Plan) bool {
	devices := c.devices(p.Backend)
	c.batch(p, GPUBatch)
	most := p.Layers
	if asked := c.req.GPULayers; asked > 0 {
		most = min(most, asked)
	}
	var fewer Plan // the most layers that fit, if not all do
	for _, kv := range c.kvTypes() {
		for _, p.MicroBatch = range c.microBatches(p) {
			if c.fitLayers(p, devices, most, kv) && c.fits(p) {
				return true
			}
		}
		p.MicroBatch = c.microBatches(p)[0] // a layer more is not worth a smaller one
		// The fewer layers, the less of the devices: the first number too many is searched.
		layers := sort.Search(most, func(n int) bool { return !c.fitLayers(p, devices, n+1, kv) })
		if layers > fewer.GPULayers && c.fitLayers(p, devices, layers, kv) && c.fits(p) {
			fewer = *p
		}
	}
	if fewer.GPULayers == 0 {
		return false
	}
	*p = fewer
	return true
}

// microBatches are the numbers of tokens that may be computed at once, the best first:
// smaller buffers leave room for layers.
func (c *choice) microBatches(p *Plan) []int {
	if c.req.MicroBatch > 0 {
		return []int{p.MicroBatch}
	}
	list := []int{min(p.BatchSize, MicroBatch)}
	for n := list[0] / 2; n >= LeastMicroBatch; n /= 2 {
		list = append(list, n)
	}
	return list
}

// sameRoom is by how many bytes the room of two GPUs may differ and still count as the same,
// so that small things that others have on one of them do not decide.
const sameRoom = 1 << 30

// devices are the GPUs of a backend, the one with the most room first.
func (c *choice) devices(b Backend) []Device {
	list := slices.Clone(c.machine.gpuDevices(b))
	slices.SortStableFunc(list, func(a, b Device) int {
		return cmp.Compare(b.Room()/sameRoom, a.Room()/sameRoom)
	})
	return list[:min(len(list), maxSplit)]
}

// Room is what a model may take of a device: what is free but for a margin.
func (d Device) Room() uint64 { return atMost(less(d.Free, d.margin()), d.Most) }

// atMost is n, or a limit if there is one that is less.
func atMost(n, limit uint64) uint64 {
	if limit > 0 {
		return min(n, limit)
	}
	return n
}

// fitLayers tries a number of layers on one device, on two, and so on, split by the
// room they have.
func (c *choice) fitLayers(p *Plan, devices []Device, layers int, kv gguf.TensorType) bool {
	for n := 1; n <= min(len(devices), layers); n++ {
		p.GPULayers, p.KV = layers, kv
		if p.FlashAttention = c.flash(p); p.FlashAttention == FlashOff && kv != gguf.F16 {
			return false
		}
		p.Devices, p.Split = nil, nil
		sum := 0.0
		for _, d := range devices[:n] {
			sum += float64(d.Room())
		}
		if sum == 0 {
			return false
		}
		for _, d := range devices[:n] {
			p.Devices = append(p.Devices, d.Name)
			p.Split = append(p.Split, float32(float64(d.Room())/sum))
		}
		if c.fitsDevices(p, c.needs(p.placement())) {
			return true
		}
	}
	return false
}

// fits reports whether a plan's placement has room on its devices and on the host.
func (c *choice) fits(p *Plan) bool {
	need := c.needs(p.placement())
	host := need.Host
	for i, bytes := range need.Devices {
		if c.device(p.Devices[i]).sharesHost() {
			host += bytes
		}
	}
	return c.fitsDevices(p, need) && host <= c.hostRoom()
}

func (c *choice) fitsDevices(p *Plan, need Need) bool {
	for i, bytes := range need.Devices {
		if bytes > c.device(p.Devices[i]).Room() {
			return false
		}
	}
	return true
}

func (c *choice) device(name string) Device {
	d, _ := c.machine.device(name)
	return d
}

func (m Machine) device(name string) (Device, bool) {
	i := slices.IndexFunc(m.Devices, func(d Device) bool { return d.Name == name })
	if i < 0 {
		return Device{}, false
	}
	return m.Devices[i], true
}

// sharesHost reports whether the device's memory is the main memory.
func (d Device) sharesHost() bool { return d.Kind == KindIGPU || d.Backend == BackendMetal }

// HostRoom is what a model may take of the main memory: what is free but for a margin; all,
// where the system does not say what there is.
func (m Machine) HostRoom() uint64 { return m.hostRoom(m.margin()) }

func (m Machine) hostRoom(margin uint64) uint64 {
	if m.Memory.Size() == 0 {
		return atMost(math.MaxUint64, m.Memory.Most)
	}
	return atMost(less(m.Memory.Free(), margin), m.Memory.Most)
}

// hostRoom is what the plan may take of the main memory.
func (c *choice) hostRoom() uint64 {
	if c.tight {
		return c.machine.hostRoom(0)
	}
	return c.machine.HostRoom()
}

// onHost leaves the model in main memory, with a shorter context if it must.
func (c *choice) onHost(p *Plan) error {
	if p.Backend != BackendCPU {
		why := fmt.Sprintf("not one layer fits into what is free on %s", c.roomOn(c.devices(p.Backend)))
		if c.req.Backend != "" {
			return &RequestError{"Backend", p.Backend.Title() + " cannot be used: " + why}
		}
		p.because("backend", BackendCPU.Title(), "%s", why)
	}
	p.toHost(c)
	p.Weights = c.hostWeights()
	for _, p.KV = range c.kvTypes() {
		for _, p.Weights = range slices.Compact([]gguf.TensorType{c.hostWeights(), 0}) { // the copy is larger
			if c.fits(p) {
				return nil
			}
		}
	}
	for c.shorten(p) { // which has one type of keys and values only
		if c.fits(p) {
			return nil
		}
	}
	// Better a model that leaves little to others than none.
	if c.tight = true; c.fits(p) {
		return nil
	}
	return c.fitError(p)
}

// toHost takes a plan off all devices.
func (p *Plan) toHost(c *choice) {
	p.Backend, p.GPULayers, p.Devices, p.Split = BackendCPU, 0, nil, nil
	p.FlashAttention = c.flash(p)
	c.batch(p, CPUBatch)
}

// shorten halves the context, unless it was asked for, and reports whether it did.
func (c *choice) shorten(p *Plan) bool {
	if c.req.ContextLength > 0 || p.ContextLength <= LeastContext {
		return false
	}
	p.ContextLength = max(LeastContext, p.ContextLength/2)
	p.CacheLength = max(p.ContextLength, c.req.CacheLength)
	return true
}

func (c *choice) fitError(p *Plan) *FitError {
	m := c.machine
	need := c.needs(p.placement())
	e := &FitError{Model: c.model.Name, ContextLength: p.ContextLength, CacheLength: p.CacheLength, Need: need.Host, Free: c.hostRoom(), Most: m.Memory.Size()}
	e.Asked = c.req.ContextLength > LeastContext || c.req.CacheLength > p.ContextLength
	if m.Memory.Limit > 0 && m.Memory.Left <= m.Memory.Available {
		e.Limit = m.Memory.Limit
	}
	return e
}

// batch sets how many tokens are computed at once.
func (c *choice) batch(p *Plan, most int) {
	if c.req.BatchSize > 0 {
		most = c.req.BatchSize
	}
	p.BatchSize, p.MicroBatch = most, min(most, cmp.Or(c.req.MicroBatch, MicroBatch))
}

// lengthen gives the cache room for several requests, and the context the length that
// the model was trained with, as far as they take no more than a part of the memory.
func (c *choice) lengthen(p *Plan) {
	if c.tight {
		return
	}
	base := c.needs(p.placement()).Total()
	allowed := c.budgetOf(p) / growthShare
	try := func(context, cache int) bool {
		longer := *p
		longer.ContextLength, longer.CacheLength = context, cache
		if less(c.needs(longer.placement()).Total(), base) > allowed || !c.fits(&longer) {
			return false
		}
		p.ContextLength, p.CacheLength = context, cache
		return true
	}
	for n := sharedRequests; n > 1 && c.req.CacheLength == 0; n /= 2 {
		if try(p.ContextLength, n*p.ContextLength) {
			break
		}
	}
	if c.req.ContextLength > 0 || p.ContextLength < c.workingContext() {
		return
	}
	for p.ContextLength < c.model.ContextLength {
		longer := min(2*p.ContextLength, c.model.ContextLength)
		if !try(longer, max(longer, p.CacheLength)) {
			return
		}
	}
}

// budgetOf is the memory that a plan may take where it puts the cache.
func (c *choice) budgetOf(p *Plan) (sum uint64) {
	for _, name := range p.Devices {
		sum += c.device(name).Room()
	}
	if len(p.Devices) == 0 {
		return c.hostRoom()
	}
	return sum
}

// roomOn names devices with what is free on them.
func (c *choice) roomOn(devices []Device) string {
	var parts []string
	for _, d := range devices {
		parts = append(parts, fmt.Sprintf("%s (%s)", d.Name, humanize.IBytes(d.Room())))
	}
	return strings.Join(parts, " and ")
}

// explainMemory gives the reasons for layers, context and types.
func (c *choice) explainMemory(p *Plan) {
	c.explainWeights(p)
	c.explainLayers(p)
	c.explainContext(p)
	c.explainTypes(p)
}

func (c *choice) explainLayers(p *Plan) {
	if p.GPULayers == 0 {
		return
	}
	var devices []Device
	for _, name := range p.Devices {
		devices = append(devices, c.device(name))
	}
	value := p.layersText()
	switch {
	case p.GPULayers == p.Layers && len(devices) > 1:
		p.because("layers", value, "they fit on no fewer devices, and are split by what is free: %s", c.roomOn(devices))
	case p.GPULayers == p.Layers && len(c.devices(p.Backend)) > 1:
		p.because("layers", value, "all fit on one device, so nothing travels between devices, and the others stay free")
	case p.GPULayers == p.Layers:
		p.because("layers", value, "all fit into what is free (%s)", humanize.IBytes(devices[0].Room()))
	case p.GPULayers == c.req.GPULayers:
		p.because("layers", value, "no more were asked for")
	default:
		p.because("layers", value, "no more fit into what is free on %s; the CPU computes the others", c.roomOn(devices))
	}
}

// layersText is "33 of 33 (32 and the output) on Vulkan0 (50 %) and Vulkan1 (50 %)".
func (p *Plan) layersText() string {
	var parts []string
	for i, name := range p.Devices {
		if len(p.Devices) > 1 {
			name += fmt.Sprintf(" (%.0f %%)", 100*p.Split[i])
		}
		parts = append(parts, name)
	}
	return fmt.Sprintf("%d of %d (%d and the output) on %s", p.GPULayers, p.Layers, p.GPULayers-1, strings.Join(parts, " and "))
}

func (c *choice) explainContext(p *Plan) {
	if c.tight {
		p.because("memory", "nearly all that is free", "the model does not fit otherwise, and other programs may have to give theirs up")
	}
	value := p.contextText()
	trained := c.model.ContextLength
	switch {
	case trained > 0 && c.req.ContextLength > trained:
		p.because("context", value, "%d were asked for, but so many the model was trained with", c.req.ContextLength)
	case c.req.ContextLength > 0:
		p.because("context", value, "it was asked for")
	case trained > 0 && p.ContextLength >= trained:
		p.because("context", value, "so many the model was trained with, and there is memory for them")
	case p.ContextLength < c.workingContext():
		p.because("context", value, "there is no memory for more")
	case trained == 0:
		p.because("context", value, "the model does not say how many it was trained with")
	default:
		p.because("context", value, "of %d that the model was trained with: more would take over a quarter of the memory, or have no room; ask for more if you need it", trained)
	}
}

func (c *choice) explainTypes(p *Plan) {
	switch {
	case c.req.KV != 0:
		p.because("kv", p.KV.String(), "it was asked for")
	case p.KV == gguf.Q8_0:
		p.because("kv", p.KV.String(), "the context that was asked for fits only so")
	default:
		p.because("kv", p.KV.String(), "exact; Q8_0 takes half the memory, and is for a context that was asked for and fits only so")
	}
	switch {
	case p.KV == gguf.Q8_0:
		p.FlashAttention = FlashOn
		p.because("flash attention", string(FlashOn), "values of Q8_0 need it")
	case c.req.FlashAttention != "" && c.req.FlashAttention != FlashAuto:
		p.because("flash attention", string(p.FlashAttention), "it was asked for")
	case p.FlashAttention == FlashOff:
		p.because("flash attention", string(FlashOff), "%s has no kernel for attention heads of %d", p.Backend.Title(), c.model.KeySize)
	case p.FlashAttention == FlashOn:
		p.because("flash attention", string(FlashOn), "llama.cpp gives it up where the CPU has layers, unless it is told")
	default:
		p.because("flash attention", string(p.FlashAttention), "llama.cpp uses it where the device can")
	}
	value := fmt.Sprintf("%d tokens a step, computed %d at a time", p.BatchSize, p.MicroBatch)
	switch {
	case c.req.BatchSize > 0 || c.req.MicroBatch > 0:
		p.because("batch", value, "it was asked for")
	case p.GPULayers > 0 && p.MicroBatch < min(p.BatchSize, MicroBatch):
		p.because("batch", value, "smaller buffers leave room for layers")
	case p.GPULayers > 0:
		p.because("batch", value, "llama.cpp's defaults; more take memory for buffers")
	default:
		p.because("batch", value, "more gain nothing on a CPU")
	}
}
