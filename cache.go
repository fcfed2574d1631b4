package cria

import (
	"cmp"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jellydator/ttlcache/v3"
)

// Cache keeps replies: a request that is equal to an earlier one in everything that
// determines the reply is answered with the earlier reply, and [Usage.Cached] is set.
// That is what the model is (see [Identifier]), the conversation, what is forced of the
// reply, its limits, how it is sampled, the tools' names and descriptions, the salt and
// the rollout: every field of [Request] but the policy. Only replies that came to their
// own end are kept, and the scores of a [Scorer].
//
//	cache, err := cria.OpenCache(dir, nil)
//	...
//	ctx = cria.With(ctx, cria.Scope{LM: lm, Cache: cache}) // for all calls under it
//
// A request with a temperature and no seed is kept too: its first random reply repeats.
// [Scope.Rollout] asks for others, and [CacheOff] for a new one each time.
//
// Identical requests at the same time are computed once. The others read along; if the
// first goes away it is computed on for them, if it fails one of them asks anew. The model
// sees the values of the context of the first, but no deadline.
//
// A Cache has two levels, memory and a folder, which any number of processes may share.
// A folder that becomes full, unreadable or damaged fails no call: the call goes on
// without it, and the logger and [Cache.Err] say so. A Cache may be shared by programs and
// LMs and used concurrently. It holds no file open and needs no closing.
type Cache struct {
	opts   CacheOptions
	memory *ttlcache.Cache[cacheKey, *cacheEntry]
	disk   *diskCache // nil: none

	// Numbers of LMs without an identity.
	instances *ttlcache.Cache[any, uint64]
	last      atomic.Uint64 // number given to one

	mu       sync.Mutex
	flights  map[cacheKey]*flight
	reported map[string]bool // what could not be done
	problem  *CacheError     // the first
}

// CacheOptions are the settings of [OpenCache]. Nil and zero fields mean the defaults.
type CacheOptions struct {
	TTL         time.Duration // how long a reply is used after it was made; 0: 30 days
	MemoryBytes int64         // of replies in memory, the least recently used dropped first; 0: 64 MiB
	DiskBytes   int64         // of files in the folder, about, the oldest removed first; 64 KiB at least; 0: 1 GiB

	// ReadOnly uses what the folder has and adds nothing to it: it may be one that cannot
	// be written.
	ReadOnly bool

	Logger *slog.Logger // is warned once of each kind of problem with the folder; nil: nobody is
}

// Defaults of [CacheOptions].
const (
	defaultCacheTTL    = 30 * 24 * time.Hour
	defaultMemoryBytes = 64 << 20
	defaultDiskBytes   = 1 << 30
)

// CacheError says what is wrong with a cache or its folder.
type CacheError struct {
	Dir string // "": the cache has none
	Op  string // what could not be done, such as "write to the folder"
	Err error
}

func (e *CacheError) Error() string {
	if e.Dir == "" {
		return fmt.Sprintf("the cache of replies: cannot %s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("the cache of replies in %s: cannot %s: %v", e.Dir, e.Op, e.Err)
}

// Unwrap returns the cause.
func (e *CacheError) Unwrap() error { return e.Err }

// OpenCache opens a cache whose folder is dir, which is made if it is not there; with "",
// replies are kept in memory only. The error is a *[CacheError]: for a folder that cannot
// be written unless opts.ReadOnly is set, or cannot be read, and for a negative option.
func OpenCache(dir string, opts *CacheOptions) (*Cache, error) {
	if opts == nil {
		opts = &CacheOptions{}
	}
	o := *opts
	if o.TTL < 0 || o.MemoryBytes < 0 || o.DiskBytes < 0 {
		return nil, &CacheError{Dir: dir, Op: "open it", Err: fmt.Errorf("a TTL of %v, %d bytes of memory or %d of disk is negative; 0 is the default", o.TTL, o.MemoryBytes, o.DiskBytes)}
	}
	o.TTL = cmp.Or(o.TTL, defaultCacheTTL)
	o.MemoryBytes = cmp.Or(o.MemoryBytes, defaultMemoryBytes)
	o.DiskBytes = cmp.Or(o.DiskBytes, defaultDiskBytes)
	if least := int64(len(shardNames) * fileBlock); o.DiskBytes < least {
		return nil, &CacheError{Dir: dir, Op: "open it", Err: fmt.Errorf("%d bytes of disk hold no reply: it takes %d at least; 0 is the default", o.DiskBytes, least)}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Cache{
		opts: o,
		memory: ttlcache.New(
			ttlcache.WithTTL[cacheKey, *cacheEntry](o.TTL),
			ttlcache.WithMaxCost(uint64(o.MemoryBytes), func(item ttlcache.CostItem[cacheKey, *cacheEntry]) uint64 {
				return item.Value.cost()
			}),
			ttlcache.WithDisableTouchOnHit[cacheKey, *cacheEntry](), // the age of a reply counts, not its last use
		),
		instances: ttlcache.New(ttlcache.WithCapacity[any, uint64](maxInstances)),
		flights:   map[cacheKey]*flight{},
		reported:  map[string]bool{},
	}
	if dir == "" {
		return c, nil
	}
	abs, err := filepath.Abs(dir) // whatever the working directory will be
	if err != nil {
		return nil, &CacheError{Dir: dir, Op: "find the folder", Err: err}
	}
	c.disk = newDiskCache(abs, o)
	if err := c.disk.open(); err != nil {
		return nil, err
	}
	return c, nil
}

// CachePolicy says what a call does with the caches that it meets.
type CachePolicy string

// The policies. The zero value leaves it to the next level, and is CacheOn at the last.
const (
	CacheOn       CachePolicy = "on"
	CacheOff      CachePolicy = "off"       // every call is computed, and nothing is kept
	CacheReadOnly CachePolicy = "read-only" // what is there is used, and nothing is added
)

// Validate reports a policy that does not exist.
func (p CachePolicy) Validate() error {
	switch p {
	case "", CacheOn, CacheOff, CacheReadOnly:
		return nil
	}
	return fmt.Errorf("cache policy %q is unknown; it is %s, %s or %s", string(p), CacheOn, CacheOff, CacheReadOnly)
}

// Err returns the first problem that there was with the folder since the cache was opened,
// a *[CacheError], or nil.
func (c *Cache) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.problem == nil {
		return nil
	}
	return c.problem
}

// Size returns how many replies the folder has and how many bytes their files take on the
// disk, by all processes together. Without a folder it is what is in memory.
func (c *Cache) Size() (replies int, bytes int64, err error) {
	if c.disk == nil {
		for _, item := range c.memory.Items() {
			replies, bytes = replies+1, bytes+int64(item.Value().cost())
		}
		return replies, bytes, nil
	}
	return c.disk.size()
}

// Clear drops all replies, those in the folder included, whoever put them there.
func (c *Cache) Clear() error {
	c.memory.DeleteAll()
	if c.disk == nil {
		return nil
	}
	return c.disk.clear()
}

// get returns what is kept, from the folder only if disk.
func (c *Cache) get(key cacheKey, disk bool) *cacheEntry {
	if item := c.memory.Get(key); item != nil {
		return item.Value()
	}
	if !disk || c.disk == nil {
		return nil
	}
	e, err := c.disk.get(key)
	if err != nil {
		c.report("read a reply", err)
	}
	if e != nil {
		c.remember(key, e)
	}
	return e
}

// remember keeps an entry in memory for the rest of its time.
func (c *Cache) remember(key cacheKey, e *cacheEntry) {
	left := c.opts.TTL - time.Since(e.made)
	if left > 0 && e.cost() <= uint64(c.opts.MemoryBytes) {
		c.memory.Set(key, e, left)
	}
}

// write keeps an entry in the folder.
func (c *Cache) write(key cacheKey, e *cacheEntry) {
	if c.disk == nil || c.opts.ReadOnly {
		return
	}
	if err := c.disk.put(key, e); err != nil {
		c.report("keep a reply", err)
	}
}

// report warns of a problem with the folder, once for each kind.
func (c *Cache) report(op string, err error) {
	problem := &CacheError{Dir: c.disk.dir, Op: op, Err: err}
	c.mu.Lock()
	known := c.reported[op]
	c.reported[op] = true
	c.problem = cmp.Or(c.problem, problem)
	c.mu.Unlock()
	if !known {
		c.opts.Logger.Warn("the cache of replies has a problem; calls go on without it", "dir", c.disk.dir, "error", problem)
	}
}
